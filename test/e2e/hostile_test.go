package e2e_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// entry is a file of an archive; a link if it leads somewhere.
type entry struct {
	name, text, leads string
	zeros             int
}

func archive(t *testing.T, entries ...entry) string {
	t.Helper()
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	w := tar.NewWriter(zip)
	for _, e := range entries {
		text := e.text + strings.Repeat("\x00", e.zeros)
		h := &tar.Header{Name: e.name, Mode: 0o644, Size: int64(len(text))}
		if e.leads != "" {
			h.Typeflag, h.Linkname, h.Size, text = tar.TypeSymlink, e.leads, 0, ""
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

const (
	ownChart = "apiVersion: v2\nname: own\nversion: 1.0.0\n"
	depChart = "apiVersion: v2\nname: dep\nversion: 1.0.0\n"
	bomb     = "a: &a [x, x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a]\nc: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b]\n" +
		"d: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c]\ne: &e [*d, *d, *d, *d, *d, *d, *d, *d, *d]\nf: &f [*e, *e, *e, *e, *e, *e, *e, *e, *e]\n" +
		"g: &g [*f, *f, *f, *f, *f, *f, *f, *f, *f]\nh: &h [*g, *g, *g, *g, *g, *g, *g, *g, *g]\n"
)

// What a repository can do to the agent that reads it is refused with a sentence;
// the agent stays up, in bounds, and its other environment goes on.
func TestAHostileRepositoryIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "hostile")
	w.write("environments/calm/environment.yaml", "apiVersion: tether.stytex.cloud/v1\nkind: Environment\nmetadata: {name: calm}\nspec:\n  namespace: "+w.name+"\n  releases:\n    - {name: calm, chart: charts/web, values: [web.yaml]}\n")
	w.environment("{name: own, chart: charts/own}")
	w.write("charts/own/Chart.yaml", ownChart)
	w.write("charts/own/templates/c.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: own}\ndata: {a: one}\n")
	w.write("environments/calm/web.yaml", "message: calm\n")
	head := w.commit("First")
	agent := w.agent("data", "--environment", "calm")
	w.await(head, "applied")
	for n, c := range []struct {
		name   string
		files  map[string]string
		reason string
	}{
		{"an archive that unpacks to more than there is room for", map[string]string{"charts/own/charts/dep-1.0.0.tgz": archive(t, entry{name: "dep/Chart.yaml", text: depChart}, entry{name: "dep/zeros", zeros: 200 << 20})}, `charts/own/charts/dep-1.0.0.tgz: dep/zeros has more than 5 MiB`},
		{"an archive of many small files", map[string]string{"charts/own/charts/dep-1.0.0.tgz": archive(t, many(20000)...)}, `it unpacks to more than [0-9]+ MiB, or to more than 10000 files`},
		{"an archive whose files leave it", map[string]string{"charts/own/charts/dep-1.0.0.tgz": archive(t, entry{name: "dep/Chart.yaml", text: depChart}, entry{name: "dep/../../../evil", text: "x"})}, `dep-1.0.0.tgz: dep/../../../evil leaves the chart's folder`},
		{"an archive with a link", map[string]string{"charts/own/charts/dep-1.0.0.tgz": archive(t, entry{name: "dep/Chart.yaml", text: depChart}, entry{name: "dep/values.yaml", leads: "/etc/passwd"})}, `dep-1.0.0.tgz: dep/values.yaml is a link: pack a copy`},
		{"an archive that is none", map[string]string{"charts/own/charts/dep-1.0.0.tgz": "not gzip"}, `dep-1.0.0.tgz: it is no packed chart`},
		{"a link to the agent's files", map[string]string{"charts/own/templates/link.yaml": "-> /etc/passwd"}, `charts/own/templates/link.yaml is a symbolic link`},
		{"a schema that reads files", map[string]string{"charts/own/values.schema.json": `{"$ref": "file:///etc/passwd"}`}, `values.schema.json refers to file:///etc/passwd: only references within`},
		{"a schema that reaches out", map[string]string{"charts/own/values.schema.json": `{"properties": {"a": {"$ref": "http://169.254.169.254/latest"}}}`}, `values.schema.json refers to http://169.254.169.254/latest: only references within`},
		{"a schema that refers to itself", map[string]string{"charts/own/values.schema.json": `{"$ref": "#"}`}, `release own: .*reference cycle`},
		{"an environment of aliases", map[string]string{"environments/prod/environment.yaml": bomb}, `environments/prod/environment.yaml: with what its aliases repeat it holds more than 250000 values`},
		{"a chart of aliases", map[string]string{"charts/own/Chart.yaml": ownChart + bomb}, `environment.yaml:7: chart charts/own of release own: cannot load Chart.yaml: .*excessive aliasing`},
		{"values of the chart that are aliases", map[string]string{"charts/own/values.yaml": bomb}, `chart charts/own of release own: cannot load values.yaml: .*excessive aliasing`},
		{"an object of aliases", map[string]string{"charts/own/templates/x.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n" + bomb}, `release own: YAML parse error on own/templates/x.yaml: .*excessive aliasing`},
		{"lists in lists without an end", map[string]string{"charts/own/values.yaml": "a: " + strings.Repeat("[", 400000) + "\n"}, `chart charts/own of release own: cannot load values.yaml: .*exceeded max depth`},
		{"a template that includes itself", map[string]string{"charts/own/templates/x.yaml": `{{ define "x" }}{{ include "x" . }}{{ end }}{{ include "x" . }}`}, `^release own: .{0,400}nested reference name: x`},
		{"tpl that evaluates itself", map[string]string{"charts/own/values.yaml": "t: '{{ tpl .Values.t . }}'\n", "charts/own/templates/x.yaml": "{{ tpl .Values.t . }}"}, `release own: running its templates (nests too deeply|needs more than [0-9]+ MiB of memory|does not end)`},
		{"text without an end", map[string]string{"charts/own/templates/x.yaml": `{{ repeat 2000000000 "x" }}`}, `release own: running its templates needs more than [0-9]+ MiB of memory`},
		{"more text than a release may have", map[string]string{"charts/own/templates/x.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {a: {{ repeat 20000000 \"x\" }}}\n"}, `release own: its templates render more than 16 MiB`},
		{"more objects than anybody can want", map[string]string{"charts/own/templates/x.yaml": "{{ range until 300000 }}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: x{{ . }}}\n{{ end }}"}, `release own: its templates render more than 16 MiB`},
		{"more files than a chart may have", crowd(12000), `chart charts/own of release own: it has more than 10000 files`},
	} {
		w.write("environments/calm/web.yaml", fmt.Sprintf("message: calm %d\n", n))
		for path, text := range c.files {
			w.put(path, text)
		}
		head := w.commit(c.name)
		w.await(head, "refused")
		s, err := w.status()
		if err != nil || !regexp.MustCompile(c.reason).MatchString(s.Reason) {
			t.Errorf("%s: refused for %q, %v; want %q", c.name, s.Reason, err, c.reason)
		}
		w.eventually(func() error {
			m, err := w.cluster.Kube.CoreV1().ConfigMaps(w.name).Get(t.Context(), "calm", metav1.GetOptions{})
			if err == nil && m.Data["message"] != fmt.Sprintf("calm %d", n) {
				err = fmt.Errorf("%s: calm is at %q", c.name, m.Data["message"])
			}
			return err
		})
		w.git("-C", w.work, "revert", "--no-edit", "HEAD")
	}
	select {
	case <-agent.done:
		t.Error("the agent has died")
	default:
	}
	w.write("charts/own/templates/c.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: own}\ndata: {a: {{ getHostByName \"localhost\" | quote }}}\n")
	w.await(w.commit("Names are not looked up, as in Helm"), "applied")
	if m, err := w.cluster.Kube.CoreV1().ConfigMaps(w.name).Get(t.Context(), "own", metav1.GetOptions{}); err != nil || m.Data["a"] != "" {
		t.Errorf("a name was looked up: %q, %v", m.Data["a"], err)
	}
	if peak := peakMemory(t, agent); peak > 300 {
		t.Errorf("the agent took %d MiB", peak)
	}
}

func many(n int) []entry {
	out := []entry{{name: "dep/Chart.yaml", text: depChart}}
	for i := range n {
		out = append(out, entry{name: fmt.Sprintf("dep/f%d", i)})
	}
	return out
}

// crowd is a folder of many files in the chart.
func crowd(n int) map[string]string {
	out := map[string]string{}
	for i := range n {
		out[fmt.Sprintf("charts/own/files/f%d", i)] = "x"
	}
	return out
}

// put writes a file of the repository, or a link.
func (w *world) put(path, text string) {
	w.t.Helper()
	to, isLink := strings.CutPrefix(text, "-> ")
	if !isLink {
		w.write(path, text)
		return
	}
	if err := os.Symlink(to, filepath.Join(w.work, path)); err != nil {
		w.t.Fatal(err)
	}
}

// peakMemory returns how many MiB a process had resident at the most.
func peakMemory(t *testing.T, p *process) int {
	t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	var kib int
	found := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindStringSubmatch(string(raw))
	if found == nil {
		t.Fatalf("no peak in %s", raw)
	}
	fmt.Sscan(found[1], &kib)
	return kib >> 10
}
