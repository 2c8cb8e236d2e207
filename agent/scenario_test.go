package agent

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
	"weak"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/xetys/tether/agent/decide"
	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/agent/observed"
	"github.com/xetys/tether/agent/report"
	"github.com/xetys/tether/agent/rollout"
	"github.com/xetys/tether/render/worker"
	"github.com/xetys/tether/source"
	"github.com/xetys/tether/source/git"
	"github.com/xetys/tether/test/cluster"
)

// TestMain lets the test's program be a worker.
func TestMain(m *testing.M) {
	worker.Main()
	cluster.Main(m)
}

// scenario is a namespace and a repository with the web chart of the scripts.
type scenario struct {
	*testing.T
	*cluster.Cluster
	space, dir string
	system     string // the agent's own namespace
	registry   *prometheus.Registry
}

func newScenario(t *testing.T) *scenario {
	t.Helper()
	s := &scenario{T: t, Cluster: cluster.Shared(t), dir: t.TempDir(), registry: prometheus.NewRegistry()}
	for _, name := range []*string{&s.space, &s.system} {
		space, err := s.Kube.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "moved-"}}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		*name = space.Name
	}
	if err := os.CopyFS(filepath.Join(s.dir, "charts"), os.DirFS("../test/e2e/charts")); err != nil {
		t.Fatal(err)
	}
	s.git("init --quiet --initial-branch=main")
	return s
}

func (s *scenario) git(args string) string {
	s.Helper()
	cmd := exec.Command("git", append([]string{"-C", s.dir}, strings.Fields(args)...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.Fatalf("git %s: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// commit commits an environment that has the given releases.
func (s *scenario) commit(releases string) {
	s.Helper()
	at := filepath.Join(s.dir, "environments/prod/environment.yaml")
	text := "{apiVersion: tether.stytex.cloud/v1, kind: Environment, metadata: {name: prod}, spec: {namespace: " + s.space + ", releases: [" + releases + "]}}"
	if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
		s.Fatal(err)
	}
	if err := os.WriteFile(at, []byte(text), 0o600); err != nil {
		s.Fatal(err)
	}
	s.git("add --all")
	s.git("-c user.name=Ann -c user.email=ann@example.com commit --quiet --message=Releases")
}

// agent returns an agent that asks the cluster as config says.
func (s *scenario) agent(config *rest.Config) *Agent {
	s.Helper()
	repo, err := git.New(git.Options{URL: s.dir, Refs: []source.Ref{"main"}, Dir: filepath.Join(s.TempDir(), "clone")})
	if err != nil {
		s.Fatal(err)
	}
	return s.agentOf(config, repo, map[string]source.Ref{"prod": "main"})
}

// agentOf returns an agent that follows refs of a source.
func (s *scenario) agentOf(config *rest.Config, from source.Source, refs map[string]source.Ref) *Agent {
	s.Helper()
	a, err := New(Options{Environments: []string{"prod"}, Namespace: s.system, Identity: "test", Refs: refs},
		from, config, slog.New(slog.DiscardHandler), report.NewMetrics(s.registry))
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(a.Close)
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
	s := newScenario(t)
	secrets := s.Kube.CoreV1().Secrets(s.space)
	tag := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "tag"}, StringData: map[string]string{"tag": "v1-neverready"}}
	if _, err := secrets.Create(t.Context(), tag, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	s.commit("{name: web, chart: charts/web, timeout: 20s, valuesFrom: [{kind: Secret, name: tag, key: tag, targetPath: tag}]}")
	var a *Agent
	config := rest.CopyConfig(s.Config)
	config.Wrap(func(rt http.RoundTripper) http.RoundTripper {
		return &onDryRun{RoundTripper: rt, do: func() {
			if _, err := secrets.Patch(t.Context(), "tag", types.MergePatchType, []byte(`{"stringData":{"tag":"v2"}}`), metav1.PatchOptions{}); err != nil {
				t.Error(err)
			}
			until(t, "the agent is told", func() bool {
				return a.envs[0].inbox.AnyReferences()
			})
		}}
	})
	a = s.agent(config)
	if err := a.Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := s.Kubectl(t, "get", "deployment", "web", "--namespace", s.space, "--output", "jsonpath={.spec.template.spec.containers[0].image}"); !strings.HasSuffix(got, "web:v2") {
		t.Errorf("%s runs", got)
	}
}

// onWrite does something before the first write of a Deployment is sent.
type onWrite struct {
	http.RoundTripper
	once sync.Once
	do   func()
}

func (o *onWrite) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodGet && strings.Contains(r.URL.Path, "/deployments/") && r.URL.Query().Get("dryRun") == "" {
		o.once.Do(o.do)
	}
	return o.RoundTripper.RoundTrip(r)
}

// What helm history says of a rollback names the commit that it reverts, though a newer head
// comes before it ends.
func TestARollbackNamesWhatItsOwnCommitReverts(t *testing.T) {
	s := newScenario(t)
	s.commit("{name: web, chart: charts/web, values: [{tag: v1}]}")
	if err := s.agent(s.Config).Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.commit("{name: web, chart: charts/web, values: [{tag: v2}]}")
	bump := s.git("rev-parse --short=7 HEAD")
	s.registry = prometheus.NewRegistry()
	if err := s.agent(s.Config).Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.git("-c user.name=Ann -c user.email=ann@example.com revert --no-edit HEAD")
	back := s.git("rev-parse --short=7 HEAD")
	var a *Agent
	config := rest.CopyConfig(s.Config)
	config.Wrap(func(rt http.RoundTripper) http.RoundTripper {
		return &onWrite{RoundTripper: rt, do: func() {
			s.git("-c user.name=Ann -c user.email=ann@example.com commit --quiet --allow-empty --message=Elsewhere")
			heads, err := a.repo.Fetch(t.Context())
			a.fetchedHeads(heads, err)
		}}
	})
	s.registry = prometheus.NewRegistry()
	a = s.agent(config)
	if err := a.Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	helm, err := cluster.Binary("helm")
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(helm, "history", "web", "--namespace", s.space, "--kubeconfig", s.Kubeconfig).CombinedOutput()
	if want := fmt.Sprintf("Rollback to 1: %s reverts %s", back, bump); err != nil || !strings.Contains(string(out), want) {
		t.Errorf("%v\n%s\nwant %s", err, out, want)
	}
}

// onLookup does something before each request for a ConfigMap that a template looks up.
type onLookup struct {
	http.RoundTripper
	do func()
}

func (o *onLookup) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasSuffix(r.URL.Path, "/configmaps/looked-up") {
		o.do()
	}
	return o.RoundTripper.RoundTrip(r)
}

// Commits that arrive faster than one is rendered don't keep all of them from being
// carried out.
func TestCommitsFasterThanTheyAreRendered(t *testing.T) {
	s := newScenario(t)
	slow := filepath.Join(s.dir, "charts/web/templates/slow.yaml")
	if err := os.WriteFile(slow, []byte(`{{ $_ := lookup "v1" "ConfigMap" .Release.Namespace "looked-up" }}`), 0o600); err != nil {
		t.Fatal(err)
	}
	next, deployed := 0, 0
	commit := func() {
		next++
		s.commit(fmt.Sprintf("{name: web, chart: charts/web, values: [{tag: v%d}]}", next))
	}
	var a *Agent
	config := rest.CopyConfig(s.Config)
	config.Wrap(func(rt http.RoundTripper) http.RoundTripper {
		return &onLookup{RoundTripper: rt, do: func() {
			if next > 10 {
				return
			}
			commit()
			heads, err := a.repo.Fetch(t.Context())
			a.fetchedHeads(heads, err)
			if next == 10 {
				deployed = len(s.recordsOf(t))
			}
		}}
	})
	a = s.agent(config)
	commit()
	if err := a.Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	// The agent may be done before there are ten: it need not wait for who commits.
	if next < 10 {
		deployed = len(s.recordsOf(t))
	}
	if deployed == 0 {
		t.Errorf("of %d commits none was carried out", next)
	}
}

// recordsOf returns the records of all releases.
func (s *scenario) recordsOf(t *testing.T) []corev1.Secret {
	t.Helper()
	list, err := s.Kube.CoreV1().Secrets(s.space).List(t.Context(), metav1.ListOptions{LabelSelector: "owner=helm"})
	if err != nil {
		t.Error(err)
	}
	return list.Items
}

// What an agent knew of a release goes with it.
func TestAReleaseThatIsGoneTakesNoMemory(t *testing.T) {
	s := newScenario(t)
	s.commit("{name: web, chart: charts/web}, {name: gone, chart: charts/web}")
	a := s.agent(s.Config)
	look := func() {
		t.Helper()
		if err := a.Once(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	look()
	known := weak.Make(a.envs[0].Veil.Of(observed.Key{Namespace: s.space, Name: "gone"}))
	if known.Value() == nil {
		t.Fatal("nothing is known of it")
	}
	s.commit("{name: web, chart: charts/web}")
	look()
	look() // what it was is needed until it is uninstalled
	runtime.GC()
	if known.Value() != nil {
		t.Error("it is still known")
	}
}

// Drift that is put back while its repair waits for its turn is not put back, told and
// counted again.
func TestDriftIsPutBackOnce(t *testing.T) {
	s := newScenario(t)
	s.commit("{name: web, chart: charts/web}")
	a := s.agent(s.Config)
	if err := a.Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Kube.CoreV1().ConfigMaps(s.space).Delete(t.Context(), "web", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	e, key := a.envs[0], observed.Key{Namespace: s.space, Name: "web"}
	until(t, "the agent is told", func() bool { return !e.Observed.Undisturbed(key) })
	e.Cluster.Fence(func() error { return nil }) // the Lease was given back
	found, err := e.assess(t.Context(), e.inbox.Head())
	if err != nil || found.jobs[0].Decision.Act != decide.Repair {
		t.Fatalf("%v, %v", found, err)
	}
	lock := e.rollouts.LockOf(key)
	lock.Lock()
	active := e.start(t.Context(), found)
	err = e.correct(t.Context(), active, key)
	lock.Unlock()
	<-active.Done
	want := strings.NewReader("# HELP tether_drift_corrections_total Objects that were put back.\n# TYPE tether_drift_corrections_total counter\n" +
		"tether_drift_corrections_total{environment=\"prod\",release=\"web\"} 1\n")
	if wrong := testutil.GatherAndCompare(s.registry, want, "tether_drift_corrections_total"); err != nil || wrong != nil {
		t.Errorf("%v, %v", wrong, err)
	}
	if err := e.finishDeploy(t.Context(), active); err != nil {
		t.Error(err)
	}
	if head := e.verdicts.Ledger.Head(); head.Verdict != ledger.Applied {
		t.Errorf("the commit is %s: %s", head.Verdict, head.Reason)
	}
}

// A pause that comes while a commit is decided on is heeded before its rollout begins.
func TestAPauseThatComesWhileACommitIsDecided(t *testing.T) {
	s := newScenario(t)
	s.commit("{name: web, chart: charts/web, values: [{tag: v1}]}")
	a := s.agent(s.Config)
	if err := a.Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.commit("{name: web, chart: charts/web, values: [{tag: v2}]}")
	heads, err := a.repo.Fetch(t.Context())
	a.fetchedHeads(heads, err)
	e := a.envs[0]
	e.Cluster.Fence(func() error { return nil }) // the Lease was given back
	if err := e.recordHead(t.Context(), e.inbox.Head().Commit); err != nil {
		t.Fatal(err)
	}
	found, err := e.assess(t.Context(), e.inbox.Head())
	if err != nil || found.jobs[0].Decision.Act != decide.Upgrade {
		t.Fatalf("%v, %v", found, err)
	}
	e.controlChanged(`{"pauses": [{"by": "Ann", "reason": "an incident", "until": "2100-01-01T00:00:00Z"}]}`)
	if len(e.inbox.Control().Pauses) != 1 {
		t.Fatal("the pause is not read")
	}
	active := e.start(t.Context(), found)
	<-active.Done
	if err := e.finishDeploy(t.Context(), active); !errors.Is(err, rollout.ErrInterrupted) {
		t.Errorf("%v", err)
	}
	if n := len(s.recordsOf(t)); n != 1 {
		t.Errorf("a rollout was begun: there are %d records", n)
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
