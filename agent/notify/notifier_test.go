package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xetys/tether/agent/ledger"
)

// shelf is a Store in memory, that can fail.
type shelf struct {
	text string
	fail error
}

func (s *shelf) Load(context.Context) (string, error) { return s.text, s.fail }
func (s *shelf) Save(_ context.Context, text string) error {
	if s.fail == nil {
		s.text = text
	}
	return s.fail
}

// desk is a Notifier with a webhook on the other side, and a clock.
type desk struct {
	*Notifier
	far    *far
	shelf  *shelf
	now    time.Time
	leads  bool
	failed []string
	down   bool
	code   int
}

func newDesk(t *testing.T, rule string) *desk {
	d := &desk{shelf: &shelf{}, now: noon.Add(time.Minute), leads: true, code: http.StatusServiceUnavailable}
	d.far = newFar(t, func(int, asked) (int, string) {
		if d.down {
			return d.code, "away"
		}
		return http.StatusOK, "{}"
	})
	c, err := Parse(fmt.Appendf(nil, "sinks: [{name: hook, %s webhook: {url: '%s'}}]", rule, d.far.URL))
	if err != nil {
		t.Fatal(err)
	}
	d.restart(c)
	return d
}

// restart is what a new leader begins with.
func (d *desk) restart(c *Config) {
	d.Notifier = New(Notifier{Origin: func(context.Context) (string, error) { return "here", nil }, Config: c, Store: d.shelf, Leads: func() bool { return d.leads }, Now: func() time.Time { return d.now },
		Failed: func(sink string, err error) { d.failed = append(d.failed, fmt.Sprintf("%s: %v", sink, err)) }})
}

func (d *desk) told() (out []string) {
	for _, a := range d.far.asked {
		out = append(out, fmt.Sprint(a.body["kind"], " ", a.body["state"]))
	}
	d.far.asked = nil
	return out
}

func (d *desk) look(t *testing.T, l *ledger.Ledger, want ...string) time.Duration {
	t.Helper()
	next := d.deliver(t.Context(), l)
	if have := d.told(); !slices.Equal(have, want) {
		t.Fatalf("told %q, want %q (failed: %v)", have, want, d.failed)
	}
	return next
}

func TestASinkIsToldOnceOfWhatIsNew(t *testing.T) {
	d := newDesk(t, "")
	old := []ledger.Entry{entry("a", ledger.Applied, -20), entry("b", ledger.Failed, -10)}
	d.look(t, prod(old...), "deploy failed") // of what was over before, the newest commit alone
	d.look(t, prod(old...))
	d.look(t, prod(append(old, entry("c", ledger.Progressing, 0))...), "deploy progressing")
	d.restart(d.Config)
	d.look(t, prod(append(old, entry("c", ledger.Progressing, 0))...))
	d.look(t, prod(append(old, entry("c", ledger.Applied, 0))...), "deploy applied")
	d.restart(d.Config)
	d.look(t, prod(append(old, entry("c", ledger.Applied, 0))...))
}

func TestWhatGoesOnIsOneMatterUntilItIsOver(t *testing.T) {
	d := newDesk(t, "kinds: [unhealthy],")
	sick := func(names ...string) *ledger.Ledger {
		l := prod()
		for i, name := range names {
			l.Releases = append(l.Releases, ledger.Release{Name: name, Decline: &ledger.Decline{Since: noon.Add(-time.Duration(i) * time.Minute), Notified: true}})
		}
		return l
	}
	d.look(t, sick("web"), "unhealthy open")
	first := d.memory.Sent[0].Notice.ID
	d.look(t, sick("web", "api"), "unhealthy open")
	d.restart(d.Config)
	d.look(t, sick(), "unhealthy over")
	if last := d.memory.Sent[0].Notice; last.ID != first {
		t.Errorf("it is another matter: %s, not %s", last.ID, first)
	}
	d.look(t, sick())
	d.now = d.now.Add(time.Hour)
	d.look(t, sick("web", "api"), "unhealthy open")
}

func TestDriftOfAnUnknownTimeIsOneMatter(t *testing.T) {
	d := newDesk(t, "kinds: [drift],")
	l := &ledger.Ledger{Environment: "prod", Releases: []ledger.Release{{Name: "web", Drift: []ledger.Drift{{Object: "ConfigMap prod/web", Path: ".data.a"}}}}}
	d.look(t, l, "drift open")
	if since := d.memory.Sent[0].Notice.Since; !since.Equal(d.now) {
		t.Errorf("it is so since %s", since)
	}
	d.now = d.now.Add(time.Hour)
	d.look(t, l)
}

func TestASinkThatIsDownHoldsUpNothingAndLosesNothing(t *testing.T) {
	d := newDesk(t, "")
	d.down = true
	if next := d.look(t, prod(entry("a", ledger.Applied, 0)), "deploy applied"); next != firstPause {
		t.Errorf("it looks again after %s", next)
	}
	d.look(t, prod(entry("a", ledger.Applied, 0))) // within its pause it is not asked
	d.down, d.now = false, d.now.Add(time.Minute)
	d.look(t, prod(entry("a", ledger.Applied, 0)), "deploy applied")
	if len(d.failed) != 2 || !strings.Contains(d.failed[0], "sink hook (http://127.0.0.1:") || d.failed[1] != "hook: <nil>" {
		t.Errorf("failed: %q", d.failed)
	}
}

func TestWhatASinkNeverTakesKeepsNothingWaiting(t *testing.T) {
	d := newDesk(t, "")
	d.down, d.code = true, http.StatusNotFound
	d.look(t, prod(entry("a", ledger.Applied, 0)), "deploy applied")
	d.down = false
	d.look(t, prod(entry("a", ledger.Applied, 0), entry("b", ledger.Applied, 1)), "deploy applied")
	if len(d.failed) != 1 || !strings.Contains(d.failed[0], "does not take") {
		t.Errorf("failed: %q", d.failed)
	}
}

func TestNothingMoreIsSentUntilWhatWasSentIsStored(t *testing.T) {
	d := newDesk(t, "")
	d.look(t, prod())
	d.shelf.fail = errors.New("no permission")
	d.look(t, prod(entry("a", ledger.Applied, 0)), "deploy applied")
	d.look(t, prod(entry("a", ledger.Applied, 0), entry("b", ledger.Applied, 1)))
	d.shelf.fail = nil
	d.now = d.now.Add(time.Hour)
	d.look(t, prod(entry("a", ledger.Applied, 0), entry("b", ledger.Applied, 1)), "deploy applied")
}

func TestWhoLeadsNoMoreSendsNothing(t *testing.T) {
	d := newDesk(t, "")
	d.leads = false
	d.look(t, prod(entry("a", ledger.Applied, 0)))
}

func TestWhatIsRememberedIsBounded(t *testing.T) {
	d := newDesk(t, "")
	var entries []ledger.Entry
	for i := range 100 {
		entries = append(entries, entry(string("abcdef"[i%6]), ledger.Applied, i))
		d.deliver(t.Context(), prod(entries...))
	}
	if n := len(d.memory.Sent); n > maxCommits {
		t.Errorf("it remembers %d", n)
	}
	if !json.Valid([]byte(d.shelf.text)) {
		t.Error("what is stored is no JSON")
	}
}

func TestASinkIsToldWhatItsRuleNames(t *testing.T) {
	d := newDesk(t, "environments: [stag*], verdicts: [failed],")
	d.look(t, prod(entry("a", ledger.Failed, 0)))
	staging := prod(entry("a", ledger.Failed, 0), entry("b", ledger.Applied, 1))
	staging.Environment = "staging"
	d.look(t, staging)
	staging.Entries = append(staging.Entries, entry("c", ledger.Failed, 2))
	d.look(t, staging, "deploy failed")
}
