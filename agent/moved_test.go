package agent

import (
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/xetys/tether/render/worker"
	"github.com/xetys/tether/source"
	"github.com/xetys/tether/test/cluster"
)

// TestMain lets the test's program be a worker.
func TestMain(m *testing.M) {
	worker.Main()
	cluster.Main(m)
}

// committed is a repository with the web chart of the scripts and one release of it.
func committed(t *testing.T, namespace, release string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "charts"), os.DirFS("../test/e2e/charts")); err != nil {
		t.Fatal(err)
	}
	at := filepath.Join(dir, "environments/prod/environment.yaml")
	text := "{apiVersion: tether.stytex.cloud/v1, kind: Environment, metadata: {name: prod}, spec: {namespace: " + namespace + ", releases: [" + release + "]}}"
	if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(at, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range []string{"init --quiet --initial-branch=main", "add --all", "-c user.name=Ann -c user.email=ann@example.com commit --quiet --message=First"} {
		cmd := exec.Command("git", append([]string{"-C", dir}, strings.Fields(args)...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %s: %v\n%s", args, err, out)
		}
	}
	return dir
}

// newOn returns an agent for a repository on a cluster.
func newOn(t *testing.T, config *rest.Config, namespace, dir string) *Agent {
	t.Helper()
	repo, err := source.New(source.Options{URL: dir, Refs: []source.Ref{"main"}, Dir: filepath.Join(t.TempDir(), "clone")})
	if err != nil {
		t.Fatal(err)
	}
	a, err := New(Options{Environments: []string{"prod"}, Namespace: namespace, Identity: "test", Refs: map[string]source.Ref{"prod": "main"}},
		repo, config, slog.New(slog.DiscardHandler), NewMetrics(prometheus.NewRegistry()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return a
}

// onDryRun does something before the first dry-run is sent.
type onDryRun struct {
	http.RoundTripper
	once sync.Once
	do   func()
}

func (o *onDryRun) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Query().Get("dryRun") != "" {
		o.once.Do(o.do)
	}
	return o.RoundTripper.RoundTrip(r)
}

// A value that changes while the commit is preflighted is not rolled out as it was: the
// old one would be waited for until its time is over.
func TestAValueThatChangesDuringThePreflight(t *testing.T) {
	c := cluster.Shared(t)
	space, err := c.Kube.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "moved-"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	secrets := c.Kube.CoreV1().Secrets(space.Name)
	tag := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "tag"}, StringData: map[string]string{"tag": "v1-neverready"}}
	if _, err := secrets.Create(t.Context(), tag, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	var a *Agent
	config := rest.CopyConfig(c.Config)
	config.Wrap(func(rt http.RoundTripper) http.RoundTripper {
		return &onDryRun{RoundTripper: rt, do: func() {
			if _, err := secrets.Patch(t.Context(), "tag", types.MergePatchType, []byte(`{"stringData":{"tag":"v2"}}`), metav1.PatchOptions{}); err != nil {
				t.Error(err)
			}
			until(t, "the agent is told", func() bool {
				e := a.envs[0]
				e.mu.Lock()
				defer e.mu.Unlock()
				return len(e.stirred) > 0
			})
		}}
	})
	a = newOn(t, config, space.Name, committed(t, space.Name, "{name: web, chart: charts/web, timeout: 20s, valuesFrom: [{kind: Secret, name: tag, key: tag, targetPath: tag}]}"))
	if err := a.Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := c.Kubectl(t, "get", "deployment", "web", "--namespace", space.Name, "--output", "jsonpath={.spec.template.spec.containers[0].image}"); !strings.HasSuffix(got, "web:v2") {
		t.Errorf("%s runs", got)
	}
}

func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if is() {
			return
		}
	}
	t.Errorf("not seen after a minute: %s", what)
}
