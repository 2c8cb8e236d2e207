package why_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/agent/why"
	"github.com/xetys/tether/render"
	"github.com/xetys/tether/render/worker"
	"github.com/xetys/tether/source"
	"github.com/xetys/tether/source/git"
)

func TestMain(m *testing.M) {
	worker.Main()
	os.Exit(m.Run())
}

// folder is a repository on disk, as a source that has a history.
type folder string

func (f folder) History() (source.History, error) { return git.OpenPast(string(f)) }

func (f folder) git(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = string(f)
	cmd.Env = append(os.Environ(), "GIT_AUTHOR_NAME=Ada", "GIT_AUTHOR_EMAIL=ada@example.com", "GIT_COMMITTER_NAME=Ada", "GIT_COMMITTER_EMAIL=ada@example.com")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// commit writes files, and returns the commit's ID.
func (f folder) commit(t *testing.T, subject string, files map[string]string) string {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(string(f), name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f.git(t, "add", "--all")
	f.git(t, "commit", "--quiet", "--message", subject)
	return f.git(t, "rev-parse", "HEAD")
}

const configMap = "ConfigMap prod/web"

func TestWhatReadersAreToldOfObjects(t *testing.T) {
	repo := folder(t.TempDir())
	repo.git(t, "init", "--quiet")
	first := repo.commit(t, "First", map[string]string{
		"environments/prod/environment.yaml": "apiVersion: tether.stytex.cloud/v1\nkind: Environment\nmetadata: {name: prod}\nspec:\n  namespace: prod\n  releases:\n    - {name: web, chart: charts/web, values: [web.yaml]}\n",
		"environments/prod/web.yaml":         "level: info\n",
		"charts/web/Chart.yaml":              "apiVersion: v2\nname: web\nversion: 1.0.0\n",
		"charts/web/templates/all.yaml":      "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\ndata: {level: {{ .Values.level }}}\n",
	})
	bump := repo.commit(t, "Talk more", map[string]string{"environments/prod/web.yaml": "level: debug\n"})
	broken := repo.commit(t, "Break it", map[string]string{"charts/web/templates/all.yaml": "{{ fail \"no\" }}\n"})
	seen := func(applied string, commits ...string) *ledger.Ledger {
		l := &ledger.Ledger{Environment: "prod", Releases: []ledger.Release{{Name: "web", Namespace: "prod"}}}
		for _, c := range commits {
			l.Entries = append(l.Entries, ledger.Entry{Commit: ledger.Commit{Commit: c}, Verdict: ledger.Applied})
		}
		if applied != "" {
			l.Applied = &ledger.Commit{Commit: applied}
		}
		return l
	}
	teller, caps := why.NewTeller(repo, render.Config{}, nil), render.OfflineCapabilities("", nil)

	page, o, err := teller.Page(context.Background(), seen(bump, first, bump), caps, "web", configMap)
	if err != nil {
		t.Fatal(err)
	}
	if page.Last == nil || page.Last.Commit != bump || page.Undo != "git revert "+bump {
		t.Errorf("the last change is %+v, undone by %q", page.Last, page.Undo)
	}
	for _, f := range o.Fields {
		if want := map[bool]string{true: bump, false: first}[f.Path == "data.level"]; f.Commit != want {
			t.Errorf("%s was set by %.7s, not by %.7s", f.Path, f.Commit, want)
		}
	}

	page, _, err = teller.Page(context.Background(), seen(bump, first, bump, broken), caps, "web", configMap)
	if err != nil || page.Last.Commit != bump || len(page.Notes) != 1 || !strings.Contains(page.Notes[0], broken[:7]+" can't be rendered: this is told of "+bump[:7]) {
		t.Errorf("of a head that can't be rendered: %+v, %v", page, err)
	}
	if objects, at, err := teller.Objects(context.Background(), seen(bump, broken), caps, "web"); err != nil || at != bump || len(objects) != 1 || objects[0] != configMap {
		t.Errorf("it renders to %q at %.7s, %v", objects, at, err)
	}
	if _, _, err := teller.Page(context.Background(), seen("", broken), caps, "web", configMap); err == nil || !strings.Contains(err.Error(), "no") {
		t.Errorf("of a first commit that can't be rendered: %v", err)
	}
	for _, l := range []*ledger.Ledger{seen(""), seen(bump, bump)} {
		if _, _, err := teller.Page(context.Background(), l, caps, "web", "ConfigMap prod/other"); !errors.As(err, new(*why.UnknownError)) {
			t.Errorf("of an object that is not there: %v", err)
		}
	}
}
