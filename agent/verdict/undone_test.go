package verdict

import (
	"strings"
	"testing"

	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/apply/record"
)

func TestWhatARollbackUndid(t *testing.T) {
	reverted := ledger.Outcome{Action: "rollback", Outcome: "applied"}
	for sentence, c := range map[string]struct {
		records string // "commit digest action outcome"
		outcome ledger.Outcome
		want    string
	}{
		"a revert takes back the commit before":         {"a 1 install good, b 2 upgrade good, c 1 rollback good", reverted, "b"},
		"a revert of several takes back all of them":    {"a 1 install good, b 2 upgrade good, c 3 upgrade good, d 1 rollback good", reverted, "c b"},
		"what failed is taken back too":                 {"a 1 install good, b 2 upgrade failed, c 1 rollback good", ledger.Outcome{Action: "upgrade", Outcome: "rolled-back"}, "b"},
		"what was passed over did nothing":              {"a 1 install good, b 2 upgrade abandoned, c 3 upgrade good, d 1 rollback good", reverted, "c"},
		"it ends at the newest record with the content": {"a 1 install good, b 2 upgrade good, c 1 rollback good, d 3 upgrade good, e 1 rollback good", reverted, "d"},
		"an upgrade takes nothing back":                 {"a 1 install good, b 2 upgrade good", ledger.Outcome{Action: "upgrade", Outcome: "applied"}, ""},
		"a rollback that failed took nothing back":      {"a 1 install good, b 2 upgrade good, c 1 rollback failed", ledger.Outcome{Action: "rollback", Outcome: "failed"}, ""},
		"without any record it is not known":            {"", reverted, ""},
	} {
		var h record.History
		for i, text := range strings.Split(c.records, ", ") {
			if f := strings.Fields(text); len(f) == 4 {
				h = append(h, &record.Record{Revision: i + 1, Commit: f[0], Digest: f[1], Action: record.Action(f[2]), Outcome: record.Outcome(f[3])})
			}
		}
		if have := strings.Join(undone(h, c.outcome), " "); have != c.want {
			t.Errorf("%s: %q; want %q", sentence, have, c.want)
		}
	}
}
