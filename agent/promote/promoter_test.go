package promote

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/agent/status"
	"github.com/xetys/tether/render"
	"github.com/xetys/tether/render/worker"
	"github.com/xetys/tether/source"
)

func TestMain(m *testing.M) {
	worker.Main()
	os.Exit(m.Run())
}

var noon = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

// world is a repository, the cluster, and what is pushed: each push is the new head.
type world struct {
	t       *testing.T
	heads   map[string]fstest.MapFS
	head    string
	pushed  []source.Proposal
	refuse  error
	ledger  *ledger.Ledger
	status  *status.Status
	control ledger.Control
	stored  string
	leads   bool
	now     time.Time
	told    []string
}

func (w *world) Last(source.Ref) (source.Head, error) {
	return source.Head{Commit: source.Commit{SHA: w.head}}, nil
}

func (w *world) Revision(id string) (*source.Revision, error) {
	files, ok := w.heads[id]
	if !ok {
		return nil, errors.New("no such commit")
	}
	return &source.Revision{Commit: source.Commit{SHA: id}, Files: files}, nil
}

func (w *world) Push(_ context.Context, p source.Proposal) (string, error) {
	if w.refuse != nil {
		return "", w.refuse
	}
	w.pushed = append(w.pushed, p)
	if p.Branch == "" {
		w.commit(p.Files)
	}
	return w.head, nil
}

// commit makes a new head with other files.
func (w *world) commit(change map[string][]byte) {
	next := fstest.MapFS{}
	for name, f := range w.heads[w.head] {
		next[name] = f
	}
	for name, text := range change {
		next[name] = &fstest.MapFile{Data: text}
	}
	w.head = fmt.Sprintf("%040d", len(w.heads)+1)
	w.heads[w.head] = next
}

func (w *world) From(context.Context, *render.Environment) (*ledger.Ledger, *status.Status, error) {
	return w.ledger, w.status, nil
}
func (w *world) Control(context.Context) (ledger.Control, error) { return w.control, nil }
func (w *world) Load(context.Context) (string, error)            { return w.stored, nil }
func (w *world) Save(_ context.Context, text string) error       { w.stored = text; return nil }

func (w *world) promoter() *Promoter {
	return &Promoter{Environment: "prod", Ref: "main", Repository: w, Cluster: w, Renderer: render.NewRenderer(render.Config{Lenient: true}),
		Leads: func() bool { return w.leads }, Pushed: func() {}, Now: func() time.Time { return w.now },
		Say: func(_ context.Context, _ bool, text string) { w.told = append(w.told, text) }}
}

// runs has dev run a tag since noon, by the head.
func (w *world) runs(tag string) {
	w.commit(map[string][]byte{"environments/dev/web.yaml": []byte("tag: " + tag + "\n")})
	finished := noon
	w.ledger = &ledger.Ledger{Environment: "dev", Entries: []ledger.Entry{{Commit: ledger.Commit{Commit: w.head}, Verdict: ledger.Applied, Started: noon.Add(-time.Minute), Finished: &finished,
		Releases: []ledger.Outcome{{Name: "web", Namespace: "dev", Action: "upgrade", Outcome: "applied"}}}},
		Releases: []ledger.Release{{Name: "web", Namespace: "dev", Healthy: true}}}
	w.status = &status.Status{Releases: []status.ReleaseStatus{{Name: "web", Namespace: "dev", Commit: w.head, Status: "deployed", Healthy: true, Images: []string{"example.com/web:" + tag}}}}
	w.now = noon.Add(2 * time.Hour)
}

func newWorld(t *testing.T, via string) *world {
	t.Helper()
	w := &world{t: t, heads: map[string]fstest.MapFS{}, leads: true}
	environment := func(name, more string) []byte {
		return []byte("apiVersion: tether.stytex.cloud/v1\nkind: Environment\nmetadata: {name: " + name + "}\nspec:\n  namespace: " + name + "\n" + more + "  releases:\n    - {name: web, chart: charts/web, values: [web.yaml]}\n")
	}
	w.commit(map[string][]byte{
		"charts/web/Chart.yaml":              []byte("apiVersion: v2\nname: web\nversion: 1.0.0\n"),
		"charts/web/values.yaml":             []byte("tag: v0\n"),
		"charts/web/templates/web.yaml":      []byte("apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n  containers:\n    - {name: web, image: \"example.com/web:{{ .Values.tag }}\"}\n"),
		"environments/dev/environment.yaml":  environment("dev", ""),
		"environments/prod/environment.yaml": environment("prod", "  promote: {from: dev, after: 1h, via: "+via+"}\n"),
		"environments/prod/web.yaml":         []byte("tag: v1 # what people see\n"),
	})
	w.runs("v2")
	return w
}

func (w *world) look(p *Promoter) error {
	w.t.Helper()
	return p.Look(context.Background())
}

func TestWhatRunsWellIsPromotedOnce(t *testing.T) {
	w := newWorld(t, "commit")
	p, from := w.promoter(), w.head
	for range 3 {
		if err := w.look(p); err != nil {
			t.Fatal(err)
		}
	}
	if len(w.pushed) != 1 || w.pushed[0].Base != from || string(w.pushed[0].Files["environments/prod/web.yaml"]) != "tag: v2 # what people see\n" {
		t.Fatalf("pushed: %+v", w.pushed)
	}
	if m := w.pushed[0].Message; m != "prod: promote web from dev\n\nenvironments/prod/web.yaml: tag v1 -> v2\n\nPromoted-From: dev@"+from+"\n" {
		t.Errorf("message %q", m)
	}
	// Somebody takes it back, who has the last word, after a restart too.
	w.commit(map[string][]byte{"environments/prod/web.yaml": []byte("tag: v1\n")})
	for _, p := range []*Promoter{p, w.promoter()} {
		if err := w.look(p); err != nil || len(w.pushed) != 1 {
			t.Errorf("it is promoted against who took it back: %v, %+v", err, w.pushed[1:])
		}
	}
	w.runs("v3")
	if err := w.look(p); err != nil || len(w.pushed) != 2 {
		t.Errorf("what is new is not promoted: %v", err)
	}
}

// A rollout that a newer commit took the place of has ended.
func TestAnInterruptedRolloutIsOver(t *testing.T) {
	w := newWorld(t, "commit")
	before := w.ledger.Entries[0]
	before.Verdict, before.Releases = ledger.Superseded, []ledger.Outcome{{Name: "web", Namespace: "dev", Action: "upgrade", Outcome: string(ledger.Progressing)}}
	w.ledger.Entries = append([]ledger.Entry{before}, w.ledger.Entries...)
	if err := w.look(w.promoter()); err != nil || len(w.pushed) != 1 {
		t.Errorf("%v, %d pushed", err, len(w.pushed))
	}
}

func TestABranchIsForPeople(t *testing.T) {
	w := newWorld(t, "branch")
	p := w.promoter()
	for range 2 {
		if err := w.look(p); err != nil {
			t.Fatal(err)
		}
	}
	if len(w.pushed) != 1 || !strings.HasPrefix(w.pushed[0].Branch, "tether/promote-prod-") || len(w.pushed[0].Branch) != len("tether/promote-prod-")+12 {
		t.Fatalf("pushed: %+v", w.pushed)
	}
	// Another process, that knows of nothing, finds the branch.
	w.stored, w.refuse = "", fmt.Errorf("push: %w", source.ErrProposed)
	if err := w.look(w.promoter()); err != nil || w.stored == "" {
		t.Errorf("%v, stored %q", err, w.stored)
	}
}

func TestWhatIsNotPromoted(t *testing.T) {
	for name, change := range map[string]func(*world){
		"too early":        func(w *world) { w.now = noon.Add(59 * time.Minute) },
		"not healthy":      func(w *world) { w.status.Releases[0].Healthy = false },
		"it failed":        func(w *world) { w.status.Releases[0].Status = "failed" },
		"it is behind git": func(w *world) { w.status.Releases[0].BehindSince = noon },
		"it has drift":     func(w *world) { w.status.Releases[0].Drift = []status.Drift{{}} },
		"it declines":      func(w *world) { w.ledger.Releases[0].Decline = &ledger.Decline{Since: noon} },
		"it recovered just now": func(w *world) {
			w.ledger.Acts = []ledger.Act{{Kind: ledger.Recovered, Release: "web", At: w.now.Add(-time.Minute)}}
		},
		"its rollout goes on": func(w *world) { w.ledger.Entries[0].Finished = nil },
		"the ledger has just begun": func(w *world) {
			w.ledger.Entries[0].Started, w.ledger.Entries[0].Releases = w.now.Add(-time.Minute), nil
		},
		"prod is paused":      func(w *world) { w.control.Pauses = []ledger.Pause{{Until: w.now.Add(time.Hour)}} },
		"web is paused":       func(w *world) { w.control.Pauses = []ledger.Pause{{Release: "web", Until: w.now.Add(time.Hour)}} },
		"somebody else leads": func(w *world) { w.leads = false },
		"prod has it":         func(w *world) { w.commit(map[string][]byte{"environments/prod/web.yaml": []byte("tag: v2\n")}) },
	} {
		w := newWorld(t, "commit")
		change(w)
		if err := w.look(w.promoter()); err != nil || len(w.pushed) > 0 {
			t.Errorf("%s: %v, %+v", name, err, w.pushed)
		}
	}
}

// What can't be promoted is said once, and is no reason to forget it.
func TestWhyNothingIsPromoted(t *testing.T) {
	w := newWorld(t, "commit")
	p := w.promoter()
	w.refuse = errors.New("the server does not take it")
	for range 2 {
		p.tell(context.Background(), w.look(p))
	}
	if len(w.told) != 1 || !strings.Contains(w.told[0], "the server does not take it") || w.stored != "" {
		t.Fatalf("told %q, stored %q", w.told, w.stored)
	}
	w.refuse = nil
	if err := w.look(p); err != nil || len(w.pushed) != 1 {
		t.Errorf("it is not tried again: %v", err)
	}
	w = newWorld(t, "commit")
	w.status.Releases[0].Commit = strings.Repeat("f", 40)
	if err := w.look(w.promoter()); err == nil || !strings.Contains(err.Error(), "release web of dev runs commit fffffff, which the agent's clone does not have") {
		t.Errorf("%v", err)
	}
}

// Who writes an environment says in it where its values lie, and can have nothing pushed by that
// to what is another's: the agent may write to all of the repository.
func TestNoFileOfOthersIsChanged(t *testing.T) {
	own := "apiVersion: tether.stytex.cloud/v1\nkind: Environment\nmetadata: {name: prod}\nspec:\n  namespace: prod\n  promote: {from: dev, after: 1h, via: %s}\n  releases:\n    - {name: web, chart: charts/web, values: [%s]}\n"
	for _, via := range []string{"commit", "branch"} {
		for _, file := range []string{"environments/beta/environment.yaml", "environments/production/web.yaml", "charts/api/Chart.yaml", ".github/workflows/ci.yaml"} {
			w := newWorld(t, via)
			w.commit(map[string][]byte{file: []byte("a: b\n"), "environments/prod/environment.yaml": fmt.Appendf(nil, own, via, "/"+file)})
			if err := w.look(w.promoter()); err == nil || !strings.Contains(err.Error(), "release web can't be promoted from dev: tag would be set in "+file+": the agent changes no file outside of environments/prod/") || len(w.pushed) > 0 {
				t.Errorf("%s by a %s: %v, %+v", file, via, err, w.pushed)
			}
		}
	}
}
