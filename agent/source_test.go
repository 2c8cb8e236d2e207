package agent

import (
	"io/fs"
	"os"
	"testing"
	"testing/fstest"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/source"
	"github.com/xetys/tether/test/artifact"
)

// The agent asks a source for commits, and not git: one that holds artifacts under tags,
// with longer IDs and without hashes of files, rolls out, goes back, and is put into the
// ledger as git's commits are.
func TestASourceThatIsNoGit(t *testing.T) {
	s := newScenario(t)
	shelf := artifact.New("stable")
	push := func(tag string) string {
		t.Helper()
		files := fstest.MapFS{"environments/prod/environment.yaml": {Data: []byte("{apiVersion: tether.stytex.cloud/v1, kind: Environment, metadata: {name: prod}, " +
			"spec: {namespace: " + s.space + ", releases: [{name: web, chart: charts/web, timeout: 20s, values: [{tag: " + tag + "}]}]}}")}}
		s.charts(files)
		return shelf.Push("stable", "Run "+tag, files)
	}
	image := func() string {
		t.Helper()
		d, err := s.Kube.AppsV1().Deployments(s.space).Get(t.Context(), "web", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return d.Spec.Template.Spec.Containers[0].Image
	}
	first := push("v1")
	a := s.agentOf(s.Config, shelf, map[string]source.Ref{"prod": "stable"})
	if err := a.Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	one := image()
	second := push("v2-crashloop")
	if err := a.Once(t.Context()); err == nil {
		t.Error("what crashes is said to be well")
	}
	third := push("v3")
	if err := a.Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	if now := image(); one == now {
		t.Errorf("%s was not replaced", one)
	}
	want := map[string]ledger.Verdict{first: ledger.Applied, second: ledger.RolledBack, third: ledger.Applied}
	for _, entry := range a.envs[0].verdicts.Ledger.Entries {
		if v, known := want[entry.Commit.Commit]; !known || v != entry.Verdict || entry.Subject == "" {
			t.Errorf("%s: %s", entry.Commit.Commit, entry.Verdict)
		}
		delete(want, entry.Commit.Commit)
	}
	if len(want) > 0 {
		t.Errorf("not in the ledger: %v", want)
	}
	if !a.follows("stable") || a.follows("refs/heads/stable") {
		t.Error("a push is matched as git's are")
	}
}

// charts puts the charts of the scripts among files.
func (s *scenario) charts(files fstest.MapFS) {
	s.Helper()
	from := os.DirFS(s.dir)
	if err := fs.WalkDir(from, "charts", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		raw, err := fs.ReadFile(from, name)
		files[name] = &fstest.MapFile{Data: raw}
		return err
	}); err != nil {
		s.Fatal(err)
	}
}
