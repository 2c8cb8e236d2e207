package agent

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/xetys/tether/agent/ledger"
)

// A commit that lacks what is elsewhere is read again when its time has come, or when
// somebody asks for it.
func TestWhenACommitIsReadAgain(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	earlier, later := now.Add(-time.Second), now.Add(time.Minute)
	for sentence, c := range map[string]struct {
		loaded *loaded
		until  time.Time
		sync   *ledger.Sync
		want   bool
	}{
		"what is good is not":                          {&loaded{}, earlier, nil, false},
		"what is away is, after a while":               {&loaded{away: errors.New("x")}, earlier, nil, true},
		"and not before":                               {&loaded{away: errors.New("x")}, later, nil, false},
		"unless somebody asks":                         {&loaded{away: errors.New("x")}, later, &ledger.Sync{ID: "a"}, true},
		"somebody who asked before it was read is had": {&loaded{away: errors.New("x"), asked: "a"}, later, &ledger.Sync{ID: "a"}, false},
	} {
		t.Run(sentence, func(t *testing.T) {
			e := unconnected(&Agent{opts: Options{Now: func() time.Time { return now }}, log: slog.New(slog.DiscardHandler)}, "prod")
			e.inbox.instruct(ledger.Control{Sync: c.sync})
			e.retries.away.until = c.until
			if have := e.worthReading(c.loaded); have != c.want {
				t.Errorf("%v", have)
			}
		})
	}
}
