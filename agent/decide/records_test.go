package decide

import (
	"testing"

	"helm.sh/helm/v3/pkg/release"

	"github.com/xetys/tether/apply/record"
)

func TestWhatIsDecidedWithoutRecords(t *testing.T) {
	for sentence, c := range map[string]struct {
		state State
		want  string // as in TestDecide
	}{
		"what runs is not installed again when its record is gone":  {State{Desired: Desired{Want: "b"}, History: record.History{good(1, "a"), gone(running(2, "b"))}}, "upgrade"},
		"nor when it is damaged":                                    {State{Desired: Desired{Want: "b"}, History: record.History{good(1, "a"), damaged(running(2, "b"))}}, "upgrade"},
		"nor when no record is left":                                {State{Desired: Desired{Want: "b"}, Live: Live{Runs: true}}, "upgrade"},
		"what never ran is installed, whatever it left":             {State{Desired: Desired{Want: "a"}, Live: Live{Runs: true}, History: record.History{failed(1, "a")}}, "hold"},
		"a revert to a record that is gone is an upgrade":           {State{Desired: Desired{Want: "a"}, History: record.History{gone(good(1, "a")), running(2, "b")}}, "upgrade"},
		"a damaged failure is no reason to go back":                 {State{Desired: Desired{Want: "a"}, History: record.History{running(1, "a"), damaged(failed(2, "b"))}}, "none"},
		"a refused commit leaves alone what runs without a record":  {refused(State{Desired: Desired{Want: "c"}, History: record.History{good(1, "a"), gone(running(2, "b"))}}), "hold"},
		"what helm rolled back by hand is put back":                 {State{Desired: Desired{Want: "b"}, History: record.History{good(1, "a"), good(2, "b"), foreign(3, release.StatusDeployed)}}, "rollback to 2"},
		"what helm upgraded by hand is put back":                    {State{Desired: Desired{Want: "a"}, History: record.History{good(1, "a"), foreign(2, release.StatusDeployed)}}, "rollback to 1"},
		"what helm failed to upgrade by hand is put back":           {State{Desired: Desired{Want: "a"}, History: record.History{running(1, "a"), foreign(2, release.StatusFailed)}}, "rollback to 1"},
		"what helm uninstalled by hand, history kept, is installed": {State{Desired: Desired{Want: "a"}, History: record.History{good(1, "a"), uninstalled(2, "a")}}, "install"},
	} {
		t.Run(sentence, func(t *testing.T) {
			if have := said(Decide(c.state.complete())); have != c.want {
				t.Errorf("have %s, want %s", have, c.want)
			}
		})
	}
}

func damaged(r *record.Record) *record.Record { r.Damage = "it is damaged"; return r }

func gone(r *record.Record) *record.Record { r.Damage = "it was deleted"; return r }
