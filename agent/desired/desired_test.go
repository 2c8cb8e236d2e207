package desired

import (
	"errors"
	"testing"
	"time"

	"github.com/xetys/tether/agent/assess"
	"github.com/xetys/tether/agent/inbox"
	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/agent/retry"
	"github.com/xetys/tether/agent/verdict"
)

// A commit that lacks what is elsewhere is read again when its time has come, or when somebody
// asks for it.
func TestWhenACommitIsReadAgain(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	earlier, later := now.Add(-time.Second), now.Add(time.Minute)
	for sentence, c := range map[string]struct {
		commit  *assess.Commit
		until   time.Time
		sync    *ledger.Sync
		request string
		want    bool
	}{
		"a good one is not":                              {&assess.Commit{}, earlier, nil, "", false},
		"one that lacks something is, after a while":     {&assess.Commit{Away: errors.New("x")}, earlier, nil, "", true},
		"and not before":                                 {&assess.Commit{Away: errors.New("x")}, later, nil, "", false},
		"unless somebody asks":                           {&assess.Commit{Away: errors.New("x")}, later, &ledger.Sync{ID: "a"}, "", true},
		"who asked before it was read has been answered": {&assess.Commit{Away: errors.New("x")}, later, &ledger.Sync{ID: "a"}, "a", false},
	} {
		t.Run(sentence, func(t *testing.T) {
			d := &Desired{Site: &assess.Site{Config: assess.Config{Now: func() time.Time { return now }}}, Inbox: inbox.New(), Verdicts: &verdict.Writer{Retries: retry.New()}}
			d.Inbox.SetControl(ledger.Control{Sync: c.sync})
			d.Verdicts.Retries.Away.Until, d.request = c.until, c.request
			if have := d.worthReading(c.commit); have != c.want {
				t.Errorf("%v", have)
			}
		})
	}
}
