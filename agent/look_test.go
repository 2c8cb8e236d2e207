package agent

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/xetys/tether/agent/assess"
	"github.com/xetys/tether/agent/ledger"
)

// A commit that lacks what is elsewhere is read again when its time has come, or when
// somebody asks for it.
func TestWhenACommitIsReadAgain(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	earlier, later := now.Add(-time.Second), now.Add(time.Minute)
	for sentence, c := range map[string]struct {
		Commit *assess.Commit
		until  time.Time
		sync   *ledger.Sync
		asked  string
		want   bool
	}{
		"what is good is not":                          {&assess.Commit{}, earlier, nil, "", false},
		"what is away is, after a while":               {&assess.Commit{Away: errors.New("x")}, earlier, nil, "", true},
		"and not before":                               {&assess.Commit{Away: errors.New("x")}, later, nil, "", false},
		"unless somebody asks":                         {&assess.Commit{Away: errors.New("x")}, later, &ledger.Sync{ID: "a"}, "", true},
		"somebody who asked before it was read is had": {&assess.Commit{Away: errors.New("x")}, later, &ledger.Sync{ID: "a"}, "a", false},
	} {
		t.Run(sentence, func(t *testing.T) {
			e := unconnected(&process{opts: Options{Now: func() time.Time { return now }}, log: slog.New(slog.DiscardHandler)}, "prod")
			e.inbox.instruct(ledger.Control{Sync: c.sync})
			e.retries.away.until, e.desired.asked = c.until, c.asked
			if have := e.worthReading(c.Commit); have != c.want {
				t.Errorf("%v", have)
			}
		})
	}
}
