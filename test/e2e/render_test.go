package e2e_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/xetys/tether/test/cluster"
)

// tether render gives the objects of helm template for the project's own
// environments.
func TestRenderIsHelmTemplate(t *testing.T) {
	t.Parallel()
	root, err := cluster.Root()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []struct{ environment, release, namespace string }{
		{"production", "xuangong-backend", "xuangong-prod"},
		{"production", "xuangong-app", "xuangong-prod"},
		{"development", "xuangong-backend", "xuangong-dev"},
		{"development", "xuangong-app", "xuangong-dev"},
	} {
		t.Run(r.environment+" "+r.release, func(t *testing.T) {
			t.Parallel()
			want := command(t, "helm", "template", r.release, built(t, root, r.release), "--namespace", r.namespace, "--include-crds",
				"--kube-version", "1.37.2", "--values", filepath.Join(root, "environments", r.environment, r.release+".yaml"))
			have := command(t, "tether", "render", r.environment, "--repo", root, "--release", r.release)
			if diff := cmp.Diff(objects(t, want), objects(t, have)); diff != "" {
				t.Errorf("-helm template +tether render:\n%s", diff)
			}
		})
	}
}

// Everything that charts have renders as helm template renders it, object for
// object, and leaves its mark: so that no feature is compared that is not there.
func TestRenderHasAllThatChartsHave(t *testing.T) {
	t.Parallel()
	for name, m := range modes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			repo := kitchen(t)
			flags := m.flags
			if m.cluster {
				c := cluster.Shared(t)
				definition := filepath.Join(repo, "charts/sink/crds/widgets.yaml")
				c.Kubectl(t, "apply", "--server-side", "--filename", definition)
				// helm template --validate wants to know whose it is.
				c.Kubectl(t, "label", "--overwrite", "--filename", definition, "app.kubernetes.io/managed-by=Helm")
				c.Kubectl(t, "annotate", "--overwrite", "--filename", definition, "meta.helm.sh/release-name=sink", "meta.helm.sh/release-namespace=kitchen")
				c.Kubectl(t, "wait", "--for=condition=established", "--filename", definition)
				flags = append([]string{"--kubeconfig", c.Kubeconfig}, flags...)
			}
			args := slices.Concat([]string{"template", "sink", built(t, repo, "sink"), "--namespace", "kitchen", "--include-crds"}, kitchenValues(repo), flags, m.helm)
			want := released(command(t, "helm", args...))
			have := command(t, "tether", append([]string{"render", "all", "--repo", repo}, flags...)...)
			if diff := cmp.Diff(objects(t, want), objects(t, have)); diff != "" {
				t.Errorf("-helm template +tether render:\n%s", diff)
			}
			for feature, k := range joined(everywhere, m.marks) {
				if found := k.find(objects(t, have)); found != k.want {
					t.Errorf("%s: %s %s is %q, want %q", feature, k.object, k.path, found, k.want)
				}
			}
		})
	}
}

// What Helm refuses, Tether refuses in Helm's words.
func TestRenderRefusesWhatHelmRefuses(t *testing.T) {
	t.Parallel()
	for sentence, c := range map[string]struct{ chart, values, want string }{
		"a kubeVersion that the cluster has not": {"future", "", "chart requires kubeVersion: >=1.99.0-0 which is incompatible with Kubernetes v1.37.2"},
		"values that the schema does not allow":  {"strict", "{size: 4}", "strict: - at '/size': maximum: got 4, want 3"},
		"a library chart":                        {"library", "", "library charts are not installable"},
		"a template that fails":                  {"strict", "{message: it must not be}", "it must not be"},
		"a value that is required":               {"strict", "{required: true}", "say which"},
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			repo := kitchen(t)
			values := filepath.Join(repo, "environments/all/values.yaml")
			write(t, values, c.values)
			write(t, filepath.Join(repo, "environments/all/environment.yaml"), "{apiVersion: tether.stytex.cloud/v1, kind: Environment, metadata: {name: all}, spec: {namespace: kitchen, "+
				"releases: [{name: it, chart: charts/"+c.chart+", values: [values.yaml]}]}}")
			_, want := attempt(t, "helm", "template", "it", filepath.Join(repo, "charts", c.chart), "--kube-version", "1.37.2", "--values", values)
			_, have := attempt(t, "tether", "render", "all", "--repo", repo)
			for program, said := range map[string]string{"helm": want, "tether": have} {
				if !strings.Contains(strings.Join(strings.Fields(said), " "), c.want) {
					t.Errorf("%s says %q, want %q", program, said, c.want)
				}
			}
		})
	}
}

// released puts the version of Helm's released program in the place of what it
// calls itself when it is built from its module, without its patch level.
var released = strings.NewReplacer("helm: v3.22\n", "helm: v3.22.0\n", `"helm": "v3.22"`, `"helm": "v3.22.0"`).Replace

// kitchen is a repository with a chart that has all that charts have.
func kitchen(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/kitchen")); err != nil {
		t.Fatal(err)
	}
	pack(t, dir, "sink")
	return dir
}

func kitchenValues(repo string) []string {
	dir := filepath.Join(repo, "environments/all")
	return []string{"--values", filepath.Join(dir, "sink.yaml"), "--values", filepath.Join(dir, "more.yaml")}
}

// pack puts the kitchen's packed chart into the sink.
func pack(t *testing.T, repo, chart string) {
	t.Helper()
	command(t, "helm", "package", filepath.Join(repo, "charts/packed"), "--destination", filepath.Join(repo, "charts", chart, "charts"))
}

// built returns a copy of a chart with its dependencies, as Helm wants it: helm
// dependency build writes into the chart, and drops what Chart.yaml does not name.
func built(t *testing.T, repo, chart string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "charts"), os.DirFS(filepath.Join(repo, "charts"))); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "charts", chart)
	command(t, "helm", "dependency", "build", path)
	if chart == "sink" {
		pack(t, dir, chart)
	}
	return path
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// command runs a program that has to succeed, and returns what it prints.
func command(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, said := attempt(t, name, args...)
	if said != "" {
		t.Fatalf("%s %v: %s", name, args, said)
	}
	return out
}

// attempt runs a program, and returns what it prints and, if it fails, what it
// says of that.
func attempt(t *testing.T, name string, args ...string) (printed, said string) {
	t.Helper()
	path, err := cluster.Binary(name)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	home := t.TempDir()
	cmd.Env = []string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "KUBECONFIG=" + filepath.Join(home, "none")}
	out, err := cmd.Output()
	if err != nil {
		return string(out), fmt.Sprintf("%v\n%s", err, &stderr)
	}
	return string(out), ""
}

// objects parses documents, and puts them in an order: that of helm template and
// tether render differ in where hooks stand.
func objects(t *testing.T, text string) []map[string]any {
	t.Helper()
	var out []map[string]any
	decoder := yaml.NewYAMLOrJSONDecoder(strings.NewReader(text), 4096)
	for {
		var o map[string]any
		err := decoder.Decode(&o)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v in:\n%s", err, text)
		}
		if len(o) > 0 {
			out = append(out, o)
		}
	}
	if len(out) == 0 {
		t.Fatal("nothing was rendered")
	}
	slices.SortStableFunc(out, func(a, b map[string]any) int { return strings.Compare(key(a), key(b)) })
	return out
}

func key(o map[string]any) string {
	meta, _ := o["metadata"].(map[string]any)
	return fmt.Sprint(o["kind"], meta["namespace"], meta["name"])
}
