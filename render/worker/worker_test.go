package worker_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xetys/tether/render/worker"
)

// chart is a chart with one template, and further files as name and text in turn.
func chart(template string, more ...string) *worker.Chart {
	c := &worker.Chart{ID: template + strings.Join(more, "|"), Files: []worker.File{
		{Name: "Chart.yaml", Data: []byte("apiVersion: v2\nname: web\nversion: 1.0.0\n")},
		{Name: "templates/c.yaml", Data: []byte(template)},
	}}
	for i := 0; i < len(more); i += 2 {
		c.Files = append(c.Files, worker.File{Name: more[i], Data: []byte(more[i+1])})
	}
	return c
}

var (
	caps  = &worker.Capabilities{KubeVersion: "v1.37.2", APIVersions: []string{"v1", "apps/v1"}}
	plain = worker.Release{Name: "web", Namespace: "prod", Values: []byte("{}"), Revision: 1}
)

const configMap = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a: %s}\n"

func pool(t *testing.T, l worker.Limits) *worker.Pool {
	t.Helper()
	d := worker.DefaultLimits()
	if l.Memory == 0 {
		l.Memory = 128 << 20
	}
	if l.Time == 0 {
		l.Time = d.Time
	}
	if l.Workers == 0 {
		l.Workers = 1
	}
	if l.Idle == 0 {
		l.Idle = 50 * time.Millisecond
	}
	p := worker.NewPool(l)
	t.Cleanup(func() { gone(t) })
	return p
}

// alpha is a context for an environment's work.
func alpha(t *testing.T) context.Context { return worker.For(t.Context(), "alpha") }

// gone waits until this process has no worker any more.
func gone(t *testing.T) {
	t.Helper()
	for start := time.Now(); len(children(t)) > 0; time.Sleep(5 * time.Millisecond) {
		if time.Since(start) > 20*time.Second {
			t.Fatalf("%d workers stay", len(children(t)))
		}
	}
}

func children(t *testing.T) []string {
	t.Helper()
	lists, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, l := range lists {
		raw, _ := os.ReadFile(l) // a thread may be gone
		out = append(out, strings.Fields(string(raw))...)
	}
	return out
}

func TestAWorkerRenders(t *testing.T) {
	p := pool(t, worker.Limits{})
	out, err := p.Render(t.Context(), chart(fmt.Sprintf(configMap, "{{ .Values.a | quote }}")), worker.Release{Name: "web", Namespace: "prod", Values: []byte(`{"a": "b"}`)}, caps, nil)
	if err != nil || !strings.Contains(out.Manifest, `a: "b"`) || len(out.Objects) != 1 {
		t.Errorf("%v\n%+v", err, out)
	}
}

// What would take the process down that it happens in ends the worker, with a
// sentence, and the next render works.
func TestWhatTakesTooMuchIsEnded(t *testing.T) {
	nest := func(n int, open, shut string) string { return strings.Repeat(open, n) + strings.Repeat(shut, n) }
	for sentence, c := range map[string]struct{ template, want string }{
		"a loop that calls nothing":               {`{{$l := until 100000}}{{range $l}}{{range $l}}{{range $l}}{{end}}{{end}}{{end}}`, "running its templates does not end within 1s"},
		"a loop that allocates":                   {`{{range until 100000}}{{range until 100000}}{{end}}{{end}}`, "running its templates does not end within 1s"},
		"a list that is too large":                {`{{$l := until 2000000000}}`, "running its templates needs more than 128 MiB of memory"},
		"a text that is too long":                 {`{{$s := repeat 1000000000 "x"}}{{$s}}`, "running its templates needs more than 128 MiB of memory"},
		"a text that doubles":                     {`{{$s := "x"}}{{range until 40}}{{$s = print $s $s}}{{end}}`, "running its templates needs more than 128 MiB of memory"},
		"a map that grows":                        {`{{$d := dict}}{{range until 100}}{{range until 100000}}{{$_ := set $d (uuidv4) (repeat 1000 "x")}}{{end}}{{end}}`, "running its templates "},
		"a template of itself":                    {`{{define "a"}}{{template "a"}}{{end}}{{template "a"}}`, "exceeded maximum template depth"},
		"an include of itself":                    {`{{define "a"}}{{include "a" .}}{{end}}{{include "a" .}}`, "rendering template has a nested reference name: a"},
		"a tpl of itself":                         {`{{$_ := set .Values "t" "{{tpl .Values.t .}}"}}{{tpl .Values.t .}}`, "running its templates "},
		"a text that is long":                     {`{{range until 20}}{{repeat 1000000 "x"}}{{end}}`, "its templates render more than 16 MiB"},
		"aliases of aliases":                      {bomb(), "document contains excessive aliasing"},
		"aliases of a long text":                  {"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a: &a " + strings.Repeat("x", 100_000) + ", b: [" + strings.Repeat("*a,", 1000) + "]}\n", ""},
		"an object of too many values":            {"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a: [{{range until 1100000}}1,{{end}}]}\n", ""},
		"nesting":                                 {"a: " + nest(100_000, "[", "]"), "exceeded max depth"},
		"nesting that a template reads":           {`{{ fromJson (printf "{\"a\":%s%s}" (repeat 100000 "[") (repeat 100000 "]")) | toYaml }}`, ""},
		"nesting that a template makes":           {`{{$d := dict}}{{range until 1000000}}{{$d = dict "a" $d}}{{end}}{{ toYaml $d }}`, "running its templates "},
		"a map of itself":                         {`{{$d := dict}}{{$_ := set $d "a" $d}}{{ toYaml $d }}`, ""},
		"a key that takes long to make":           {`{{range until 1000}}{{$_ := genPrivateKey "rsa"}}{{end}}`, "running its templates does not end within 1s"},
		"a password that takes long to be hashed": {`{{range until 1000}}{{$_ := bcrypt "a"}}{{end}}`, "running its templates does not end within 1s"},
	} {
		t.Run(sentence, func(t *testing.T) {
			limits := worker.Limits{Memory: 128 << 20}
			if !strings.Contains(c.want, "128 MiB") {
				limits.Memory = 256 << 20
			}
			if strings.Contains(c.want, "within 1s") {
				limits.Time = time.Second
			}
			p := pool(t, limits)
			start := time.Now()
			out, err := p.Render(alpha(t), chart(c.template), plain, caps, nil)
			if c.want == "" && err != nil && !strings.HasPrefix(err.Error(), "running its templates ") && !strings.HasPrefix(err.Error(), "its objects ") {
				t.Errorf("%v", err)
			}
			if c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("have %v, %v\nwant %s", out, err, c.want)
			}
			if err != nil && len(err.Error()) > 500 {
				t.Errorf("it takes %d bytes to say: %.500s…", len(err.Error()), err)
			}
			if d := time.Since(start); d > 40*time.Second {
				t.Errorf("it took %s", d)
			}
			if _, err := p.Render(alpha(t), chart(fmt.Sprintf(configMap, "b")), plain, caps, nil); err != nil {
				t.Errorf("the next one: %v", err)
			}
		})
	}
}

// bomb is the well-known one: nine lines that are a billion laughs.
func bomb() string {
	var b strings.Builder
	b.WriteString("a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n")
	for i := 1; i < 10; i++ {
		fmt.Fprintf(&b, "a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i-1), 9), ","))
	}
	return b.String()
}

func TestTheContextEndsARender(t *testing.T) {
	p := pool(t, worker.Limits{})
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	_, err := p.Render(ctx, chart(`{{$l := until 100000}}{{range $l}}{{range $l}}{{end}}{{end}}`), plain, caps, nil)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	gone(t)
}

// A template sees nothing of the machine that it runs on.
func TestATemplateSeesNothingOfTheMachine(t *testing.T) {
	t.Setenv("SECRET", "hidden")
	p := pool(t, worker.Limits{})
	for template, want := range map[string]string{
		`a: {{ env "HOME" }}`:                  `function "env" not defined`,
		`a: {{ expandenv "$HOME" }}`:           `function "expandenv" not defined`,
		`{{ .Files.Get "/etc/passwd" }}`:       "",
		`a: "{{ getHostByName "localhost" }}"`: "",
	} {
		out, err := p.Render(alpha(t), chart(template), plain, caps, nil)
		if want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v", template, err)
		}
		if out != nil && (strings.Contains(out.Manifest, "root") || strings.Contains(out.Manifest, "127.")) {
			t.Errorf("%s: %s", template, out.Manifest)
		}
	}
	pid := children(t)
	if len(pid) != 1 {
		t.Fatalf("workers: %v", pid)
	}
	env, err := os.ReadFile("/proc/" + pid[0] + "/environ")
	if err != nil || bytes.Contains(env, []byte("hidden")) || bytes.Contains(env, []byte("HOME")) {
		t.Errorf("%v: %s", err, env)
	}
	if cwd, err := os.Readlink("/proc/" + pid[0] + "/cwd"); err != nil || cwd != "/" {
		t.Errorf("%v: %s", err, cwd)
	}
	fds, err := filepath.Glob("/proc/" + pid[0] + "/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		to, _ := os.Readlink(fd)
		if !strings.HasPrefix(to, "pipe:") && !strings.HasPrefix(to, "anon_inode:") && !strings.HasPrefix(to, "/sys/fs/cgroup/") && !strings.HasSuffix(to, "/statm") {
			t.Errorf("it has %s open: %s", fd, to)
		}
	}
	limits, err := os.ReadFile("/proc/" + pid[0] + "/limits")
	if err != nil || !regexp.MustCompile(`Max open files\s+3\s`).Match(limits) || !regexp.MustCompile(`Max core file size\s+0\s`).Match(limits) {
		t.Errorf("%v\n%s", err, limits)
	}
}

// Schemas reach neither files nor the network, however they ask for it.
func TestASchemaReachesNothing(t *testing.T) {
	p := pool(t, worker.Limits{})
	for schema, want := range map[string]string{
		`{"$ref": "file:///etc/passwd"}`:                                           "refers to file:///etc/passwd",
		`{"$ref": "passwd", "$id": "file:///etc/"}`:                                "refers to passwd",
		`{"allOf": [{"anyOf": [{"items": [{"$ref": "https://example.com/a"}]}]}]}`: "refers to https://example.com/a",
		`{"$schema": "https://example.com/own"}`:                                   "refers to https://example.com/own",
		`{"$schema": "file:///etc/passwd#"}`:                                       "refers to file:///etc/passwd#",
		`{"$dynamicRef": "http://example.com/#a"}`:                                 "refers to http://example.com/#a",
		`{"$recursiveRef": "file:///etc/passwd"}`:                                  "refers to file:///etc/passwd",
		`{"$ref": "#"}`: "",
		`{"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}`: "",
		strings.Repeat(`{"items": `, 100_000) + "{}" + strings.Repeat("}", 100_000):                "exceeded max depth",
		`{"properties": {"a": {"pattern": "` + strings.Repeat("(x{900})", 1000) + `"}}}`:           "",
		`{"$schema": "http://json-schema.org/draft-07/schema#", "type": "object"}`:                 "fine",
		`{"$id": "https://example.com/x", "$ref": "#/$defs/a", "$defs": {"a": {}}}`:                "fine",
	} {
		err := p.Check(alpha(t), chart("", "values.schema.json", schema), worker.Release{Values: []byte(`{"a": "x"}`)})
		short := schema[:min(len(schema), 80)]
		switch {
		case want == "fine" && err != nil:
			t.Errorf("%s: %v", short, err)
		case want != "fine" && want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v, want %s", short, err, want)
		}
	}
}

// A worker that has been idle is ended: an agent at rest has none.
func TestAtRestThereIsNoWorker(t *testing.T) {
	p := pool(t, worker.Limits{Workers: 2})
	if _, err := p.Render(alpha(t), chart("a: b"), plain, caps, nil); err != nil {
		t.Error(err)
	}
	gone(t)
	if _, err := p.Describe(alpha(t), chart("")); err != nil {
		t.Error(err)
	}
}

// Whose renders take long keeps nobody else waiting for more than one of them.
func TestNobodyStarvesTheOthers(t *testing.T) {
	p := pool(t, worker.Limits{Workers: 2, Time: time.Second, Idle: time.Second})
	hostile := worker.For(t.Context(), "hostile")
	ended := make(chan error)
	const loops = 20
	for range loops {
		go func() {
			_, err := p.Render(hostile, chart(`{{$l := until 100000}}{{range $l}}{{range $l}}{{end}}{{end}}`), plain, caps, nil)
			ended <- err
		}()
	}
	for len(children(t)) < 2 {
		time.Sleep(time.Millisecond) // between two looks
	}
	other := worker.For(t.Context(), "other")
	start := time.Now()
	for range 3 {
		if _, err := p.Render(other, chart(fmt.Sprintf(configMap, "b")), plain, caps, nil); err != nil {
			t.Error(err)
		}
	}
	if d := time.Since(start); d > 6*time.Second {
		t.Errorf("it waited %s", d)
	}
	for range loops {
		if err := <-ended; err == nil {
			t.Error("a loop ended")
		}
	}
}

// What lookup asks is answered from here: the worker has no cluster.
func TestALookupIsAnsweredFromOutside(t *testing.T) {
	p := pool(t, worker.Limits{})
	var asked []worker.Question
	lookup := func(q worker.Question) ([]byte, error) {
		asked = append(asked, q)
		switch q.Name {
		case "there":
			return []byte(`{"data": {"n": 9007199254740993}}`), nil
		case "absent":
			return nil, nil
		case "":
			return []byte(`{"kind": "List", "items": [{"metadata": {"name": "x"}}]}`), nil
		}
		return nil, errors.New("secrets is forbidden")
	}
	template := fmt.Sprintf(configMap, `"{{ (lookup "v1" "Secret" "prod" "there").data.n }} {{ empty (lookup "v1" "Secret" "prod" "absent") }} {{ (index (lookup "v1" "Secret" "" "").items 0).metadata.name }}"`)
	out, err := p.Render(alpha(t), chart(template), plain, caps, lookup)
	if err != nil || !strings.Contains(out.Manifest, `"9007199254740993 true x"`) {
		t.Errorf("%v\n%+v", err, out)
	}
	if want := (worker.Question{APIVersion: "v1", Kind: "Secret", Namespace: "prod", Name: "there"}); len(asked) != 3 || asked[0] != want {
		t.Errorf("%+v", asked)
	}
	if _, err := p.Render(alpha(t), chart(`{{ lookup "v1" "Secret" "prod" "other" }}`), plain, caps, lookup); err == nil || !strings.Contains(err.Error(), "secrets is forbidden") {
		t.Errorf("%v", err)
	}
	if out, err := p.Render(alpha(t), chart(fmt.Sprintf(configMap, `"{{ empty (lookup "v1" "Secret" "prod" "there") }}"`)), plain, caps, nil); err != nil || !strings.Contains(out.Manifest, `"true"`) {
		t.Errorf("without a cluster: %v\n%+v", err, out)
	}
}

// A packed dependency that unpacks to far more than it is is refused.
func TestAPackedBombIsRefused(t *testing.T) {
	p := pool(t, worker.Limits{})
	for sentence, c := range map[string]struct {
		packed []byte
		want   string
	}{
		"a file that is too large": {pack(t, map[string]int{"db/Chart.yaml": 0, "db/templates/a": 1 << 30}), "larger than the maximum file size"},
		"files that are too many":  {pack(t, map[string]int{"db/Chart.yaml": 0, "db/a": 5 << 20, "db/b": 5 << 20, "db/c": 5 << 20, "db/d": 5 << 20, "db/e": 5 << 20}), "larger than the maximum file size"},
		"a path that leaves":       {pack(t, map[string]int{"db/Chart.yaml": 0, "db/../../../etc/x": 1}), "illegally references parent directory"},
		"an absolute path":         {pack(t, map[string]int{"db/Chart.yaml": 0, "db//etc/x": 1}), "illegally contains absolute paths"},
		"what is no archive":       {[]byte("no archive"), "gzip: invalid header"},
	} {
		t.Run(sentence, func(t *testing.T) {
			_, err := p.Describe(alpha(t), chart("", "charts/db-1.0.0.tgz", string(c.packed)))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %s", err, c.want)
			}
		})
	}
}

// pack is an archive with files of so many zeros; Chart.yaml is a chart's.
func pack(t *testing.T, files map[string]int) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		data := make([]byte, files[name])
		if strings.HasSuffix(name, "Chart.yaml") {
			data = []byte("apiVersion: v2\nname: db\nversion: 1.0.0\n")
		}
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(data))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
