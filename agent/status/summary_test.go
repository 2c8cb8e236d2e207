package status

import (
	"testing"
	"time"

	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/render/config"
)

func TestASummaryIsWhatTheLedgerSays(t *testing.T) {
	monday := time.Date(2026, 11, 23, 12, 0, 0, 5, time.UTC)
	l := &ledger.Ledger{Environment: "prod",
		Entries:  []ledger.Entry{{Verdict: ledger.Applied}, {Verdict: ledger.Superseded, Started: monday.Add(-time.Hour)}, {Verdict: ledger.Held, Started: monday}},
		Windows:  []config.WindowText{{Kind: "deny", Schedule: "0 0 * * *", Duration: "14h"}, {Kind: "deny", Schedule: "0 14 * * MON", Duration: "1h"}},
		Releases: []ledger.Release{{Name: "a", Healthy: true, Drift: []ledger.Drift{{Object: "x"}, {Object: "x"}, {Object: "y"}, {Object: "z", Foreign: true}}}, {Name: "b"}}}
	c := ledger.Control{Pauses: []ledger.Pause{{By: "ann", Until: monday.Add(time.Hour)}}}
	s := summarise(l, c, Leader{Alive: true}, monday)
	if s.Verdict != ledger.Held || s.SecondsBehind != 3600 || s.Releases != 2 || s.Unhealthy != 1 || s.Drifted != 2 || s.Paused == nil || s.Paused.By != "ann" || s.Paused.Until.Nanosecond() != 0 {
		t.Errorf("%+v", s)
	}
	if w := s.Windows; w == nil || w.Open || !w.Changes.Equal(time.Date(2026, 11, 23, 15, 0, 0, 0, time.UTC)) {
		t.Errorf("%+v", w)
	}
	l.Windows = nil
	if s := summarise(l, ledger.Control{}, Leader{}, monday); s.Windows != nil || s.Paused != nil {
		t.Errorf("%+v", s)
	}
}

func TestWhoLeads(t *testing.T) {
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for want, l := range map[string]Leader{
		"": {Alive: true, Identity: "a"},
		"no agent has led prod in this cluster yet":                                 {Never: true},
		"no agent leads prod: what follows is as the last one left it":              {},
		"no agent leads prod: its Lease is odd":                                     {Identity: "evil", Renewed: at, doubt: "its Lease is odd"},
		"no agent leads prod: pod-1 last renewed its Lease at 2026-11-23T12:00:00Z": {Identity: "pod-1", Renewed: at},
	} {
		if have := l.Trouble("prod"); have != want {
			t.Errorf("%q, not %q", have, want)
		}
	}
	if text := (Leader{Unknown: true}).Trouble("prod"); text != "" {
		t.Error(text)
	}
}

func TestValuesAreJSONWhereTheyAreWhole(t *testing.T) {
	for text, want := range map[string]string{`"a"`: `"a"`, `3`: `3`, `{"a":[1]}`: `{"a":[1]}`, "***": "", "(absent)": "", `{"a":"xx…`: ""} {
		if have := string(valueOf(text)); have != want {
			t.Errorf("%s: %q", text, have)
		}
	}
}
