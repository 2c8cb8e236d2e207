// Package bench measures the built agent on a real control plane, each figure
// beside a floor of the same run: the least that any program would need for it.
// Ratios can be compared between machines; times can't.
package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/xetys/tether/test/cluster"
)

func TestMain(m *testing.M) { cluster.Main(m) }

const objects = 200

// site is a repository with one release of many ConfigMaps.
type site struct {
	b          *testing.B
	c          *cluster.Cluster
	name, dir  string
	tether     string
	work, bare string
}

func newSite(b *testing.B, name string) *site {
	b.Helper()
	tether, err := cluster.Binary("tether")
	if err != nil {
		b.Fatal(err)
	}
	dir := b.TempDir()
	s := &site{b: b, c: cluster.Shared(b), name: fmt.Sprintf("%s-%d", name, time.Now().UnixNano()), dir: dir, tether: tether,
		work: filepath.Join(dir, "work"), bare: filepath.Join(dir, "repo.git")}
	s.write("charts/many/Chart.yaml", "apiVersion: v2\nname: many\nversion: 1.0.0\n")
	s.write("charts/many/templates/all.yaml", `{{- range until (int .Values.count) }}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: c{{ . }}}
data: {value: {{ $.Values.value | quote }}}
{{- end }}
`)
	s.write("environments/bench/environment.yaml", "apiVersion: tether.stytex.cloud/v1\nkind: Environment\nmetadata: {name: bench}\nspec:\n  namespace: "+
		s.name+"\n  releases:\n    - {name: many, chart: charts/many, values: [values.yaml]}\n")
	s.git("init", "--quiet", "--bare", "--initial-branch=main", s.bare)
	s.git("init", "--quiet", "--initial-branch=main", s.work)
	return s
}

func (s *site) write(path, text string) {
	path = filepath.Join(s.work, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		s.b.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.b.Fatal(err)
	}
}

func (s *site) git(args ...string) {
	cmd := exec.Command("git", append([]string{"-c", "user.name=A", "-c", "user.email=a@example.com"}, args...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		s.b.Fatalf("git %v: %v\n%s", args, err, out)
	}
}

func (s *site) commit(value string) {
	s.write("environments/bench/values.yaml", fmt.Sprintf("count: %d\nvalue: %s\n", objects, value))
	s.git("-C", s.work, "add", "--all")
	s.git("-C", s.work, "commit", "--quiet", "--message", value)
	s.git("-C", s.work, "push", "--quiet", s.bare, "HEAD:main")
}

func (s *site) agent(more ...string) *exec.Cmd {
	cmd := exec.Command(s.tether, append([]string{"agent", "--repo", s.bare, "--environment", "bench", "--kubeconfig", s.c.Kubeconfig,
		"--namespace", s.name + "-system", "--listen", "", "--data-dir", filepath.Join(s.dir, "data"), "--log-level", "error"}, more...)...)
	cmd.Stderr = os.Stderr
	return cmd
}

func (s *site) once() time.Duration {
	started := time.Now()
	if err := s.agent("--once").Run(); err != nil {
		s.b.Fatal(err)
	}
	return time.Since(started)
}

// requests counts what the agent asked of the API server since a moment.
func (s *site) requests(since time.Time) (n int) {
	f, err := os.Open(s.c.AuditLog)
	if err != nil {
		s.b.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e struct {
			UserAgent                string
			RequestReceivedTimestamp time.Time
			Stage                    string
		}
		if json.Unmarshal(lines.Bytes(), &e) == nil && e.UserAgent == "tether" && e.RequestReceivedTimestamp.After(since) && e.Stage == "ResponseComplete" {
			n++
		}
	}
	return n
}

// applyAll is the floor of a deploy: one apply per object, 16 at once.
func applyAll(b *testing.B, kube kubernetes.Interface, namespace, value string) time.Duration {
	b.Helper()
	_, err := kube.CoreV1().Namespaces().Create(context.Background(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, metav1.CreateOptions{})
	if err != nil && !strings.Contains(err.Error(), "already exists") {
		b.Fatal(err)
	}
	started := time.Now()
	var wg sync.WaitGroup
	slots := make(chan struct{}, 16)
	for i := range objects {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			raw := fmt.Sprintf(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c%d"},"data":{"value":%q}}`, i, value)
			if _, err := kube.CoreV1().ConfigMaps(namespace).Patch(context.Background(), fmt.Sprintf("c%d", i), types.ApplyPatchType, []byte(raw),
				metav1.PatchOptions{FieldManager: "floor"}); err != nil {
				b.Error(err)
			}
		})
	}
	wg.Wait()
	return time.Since(started)
}

// BenchmarkDeploy is a commit that changes every one of 200 objects, from the
// process's start to its end, beside 200 plain applies.
func BenchmarkDeploy(b *testing.B) {
	s := newSite(b, "deploy")
	s.commit("first")
	s.once()
	applyAll(b, s.c.Kube, s.name+"-floor", "first")
	var took, floor time.Duration
	asked := 0
	for i := range b.N {
		value := fmt.Sprintf("v%d", i)
		s.commit(value)
		mark := time.Now()
		took += s.once()
		asked += s.requests(mark)
		floor += applyAll(b, s.c.Kube, s.name+"-floor", value)
	}
	b.ReportMetric(float64(took)/float64(floor), "x-floor")
	b.ReportMetric(float64(asked)/float64(b.N)/objects, "requests/object")
}

// BenchmarkStill is a look that finds everything in place, by a new process that
// remembers nothing, beside 200 plain applies.
func BenchmarkStill(b *testing.B) {
	s := newSite(b, "still")
	s.commit("first")
	s.once()
	var took, floor time.Duration
	asked := 0
	for i := range b.N {
		mark := time.Now()
		took += s.once()
		asked += s.requests(mark)
		floor += applyAll(b, s.c.Kube, s.name+"-floor", fmt.Sprint(i))
	}
	b.ReportMetric(float64(took)/float64(floor), "x-floor")
	b.ReportMetric(float64(asked)/float64(b.N)/objects, "requests/object")
}

// BenchmarkDrift is the time from somebody's write to the agent's putting it
// back, beside a watch that only sees the write and patches it at once.
func BenchmarkDrift(b *testing.B) {
	s := newSite(b, "drift")
	s.commit("good")
	s.once()
	agent := s.agent("--interval", "1h")
	if err := agent.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = agent.Process.Kill(); _ = agent.Wait() })
	spoil := func(namespace, value string) error {
		_, err := s.c.Kube.CoreV1().ConfigMaps(namespace).Patch(context.Background(), "c1", types.MergePatchType,
			[]byte(`{"data":{"value":"`+value+`"}}`), metav1.PatchOptions{FieldManager: "mallory"})
		return err
	}
	// The first repair waits for the agent's start.
	mended(b, s.c.Kube, s.name, func() error { return spoil(s.name, "warm-up") })
	applyAll(b, s.c.Kube, s.name+"-floor", "good")
	b.ResetTimer()
	var took, floor time.Duration
	for i := range b.N {
		value := fmt.Sprintf("bad%d", i)
		took += mended(b, s.c.Kube, s.name, func() error { return spoil(s.name, value) })
		done := guard(b, s.c.Kube, s.name+"-floor")
		floor += mended(b, s.c.Kube, s.name+"-floor", func() error { return spoil(s.name+"-floor", value) })
		done()
	}
	b.ReportMetric(float64(took)/float64(floor), "x-floor")
	b.ReportMetric(float64(took.Milliseconds())/float64(b.N), "ms/drift")
}

// mended writes, and returns how long it took until the value is good again.
func mended(b *testing.B, kube kubernetes.Interface, namespace string, spoil func() error) time.Duration {
	b.Helper()
	w, err := kube.CoreV1().ConfigMaps(namespace).Watch(context.Background(), metav1.ListOptions{FieldSelector: "metadata.name=c1"})
	if err != nil {
		b.Fatal(err)
	}
	defer w.Stop()
	started := time.Now()
	if err := spoil(); err != nil {
		b.Fatal(err)
	}
	late := time.After(time.Minute)
	bad := false
	for {
		select {
		case e := <-w.ResultChan():
			m, ok := e.Object.(*corev1.ConfigMap)
			switch {
			case ok && m.Data["value"] != "good":
				bad = true
			case ok && bad:
				return time.Since(started)
			}
		case <-late:
			b.Fatal("not put back within a minute")
		}
	}
}

// guard is the floor of a repair: it watches one object and patches it at once.
func guard(b *testing.B, kube kubernetes.Interface, namespace string) func() {
	b.Helper()
	w, err := kube.CoreV1().ConfigMaps(namespace).Watch(context.Background(), metav1.ListOptions{FieldSelector: "metadata.name=c1"})
	if err != nil {
		b.Fatal(err)
	}
	go func() {
		for e := range w.ResultChan() {
			if m, ok := e.Object.(*corev1.ConfigMap); ok && m.Data["value"] != "good" {
				if _, err := kube.CoreV1().ConfigMaps(namespace).Patch(context.Background(), "c1", types.MergePatchType,
					[]byte(`{"data":{"value":"good"}}`), metav1.PatchOptions{FieldManager: "floor"}); err != nil {
					b.Error(err)
				}
			}
		}
	}()
	return w.Stop
}

// BenchmarkRender is tether render of the tenant's production, beside helm
// template of its two charts.
func BenchmarkRender(b *testing.B) {
	root, err := cluster.Root()
	if err != nil {
		b.Fatal(err)
	}
	tether, err := cluster.Binary("tether")
	if err != nil {
		b.Fatal(err)
	}
	helm, err := cluster.Binary("helm")
	if err != nil {
		b.Fatal(err)
	}
	charts := b.TempDir()
	if err := os.CopyFS(charts, os.DirFS(filepath.Join(root, "charts"))); err != nil {
		b.Fatal(err)
	}
	run := func(name string, args ...string) time.Duration {
		started := time.Now()
		if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
			b.Fatalf("%s %v: %v\n%s", name, args, err, out)
		}
		return time.Since(started)
	}
	run(helm, "dependency", "build", filepath.Join(charts, "xuangong-backend"))
	var took, floor time.Duration
	for range b.N {
		took += run(tether, "render", "production", "--repo", root)
		for _, chart := range []string{"xuangong-backend", "xuangong-app"} {
			floor += run(helm, "template", chart, filepath.Join(charts, chart), "--kube-version", "1.37.2",
				"--values", filepath.Join(root, "environments", "production", chart+".yaml"))
		}
	}
	b.ReportMetric(float64(took)/float64(floor), "x-floor")
}
