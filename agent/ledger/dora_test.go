package ledger

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// delivered reads entries as "commit minute verdict release:action:outcome[:undoes]": each
// is committed at that minute, begins one later and ends ten later.
func delivered(t *testing.T, text string) []Entry {
	t.Helper()
	var out []Entry
	for _, line := range strings.Split(text, ", ") {
		if line == "" {
			continue
		}
		f := strings.Fields(line)
		var minute int
		if _, err := fmt.Sscan(f[1], &minute); err != nil {
			t.Fatal(err)
		}
		at := noon.Add(time.Duration(minute) * time.Minute)
		e := Entry{Commit: Commit{Commit: f[0], Time: at}, Started: at.Add(time.Minute)}
		e.SetVerdict(Verdict(f[2]), "", at.Add(10*time.Minute))
		for _, o := range f[3:] {
			p := strings.Split(o, ":")
			one := Outcome{Name: p[0], Action: p[1], Outcome: p[2]}
			if len(p) > 3 {
				one.Undoes = strings.Split(p[3], "+")
			}
			e.Releases = append(e.Releases, one)
		}
		out = append(out, e)
	}
	return out
}

func TestTheFiveMetrics(t *testing.T) {
	for sentence, c := range map[string]struct{ entries, want string }{
		"nothing is nothing": {"", "0 deploys, lead -, failed 0, recovery -, open 0, rework 0"},
		"what was applied counts, from the commit's time to healthy": {"a 0 applied web:install:applied", "1 deploys, lead 600, failed 0, recovery -, open 0, rework 0"},
		"what changed nothing here is no deployment": {"a 0 no-op, b 5 refused, c 6 superseded, d 7 applied web:repair:applied, e 8 applied web:none:applied",
			"0 deploys, lead -, failed 0, recovery -, open 0, rework 0"},
		"what is under way or held has not ended":                    {"a 0 progressing web:upgrade:progressing, b 1 held web:upgrade:held", "0 deploys, lead -, failed 0, recovery -, open 0, rework 0"},
		"what went back by itself failed, and recovered when it had": {"a 0 rolled-back web:upgrade:rolled-back:a", "1 deploys, lead -, failed 1, recovery 540, open 0, rework 0"},
		"what failed stays open until its release is applied":        {"a 0 failed web:upgrade:failed", "1 deploys, lead -, failed 1, recovery -, open 1, rework 0"},
		"a fix recovers it, and is rework":                           {"a 0 failed web:upgrade:failed, b 20 applied web:upgrade:applied", "2 deploys, lead 600, failed 1, recovery 1740, open 0, rework 1"},
		"a fix that fails is rework too": {"a 0 failed web:upgrade:failed, b 20 failed web:upgrade:failed, c 40 applied web:upgrade:applied",
			"3 deploys, lead 600, failed 2, recovery 2340, open 0, rework 2"},
		"another release's deployment is no fix":            {"a 0 failed web:upgrade:failed, b 20 applied app:upgrade:applied", "2 deploys, lead 600, failed 1, recovery -, open 1, rework 0"},
		"what a revert undid failed, from when it was live": {"a 0 applied web:upgrade:applied, b 30 applied web:rollback:applied:a", "2 deploys, lead 600, failed 1, recovery 1800, open 0, rework 1"},
		"a revert of several": {"a 0 applied web:upgrade:applied, b 10 applied web:upgrade:applied, c 30 applied web:rollback:applied:b+a",
			"3 deploys, lead 600, failed 2, recovery 1500, open 0, rework 1"},
		"the one after the fix is no rework": {"a 0 failed web:upgrade:failed, b 20 applied web:upgrade:applied, c 40 applied web:upgrade:applied",
			"3 deploys, lead 600, failed 1, recovery 1740, open 0, rework 1"},
		"what is older than the window does not count, and what it broke neither": {"a -2000 failed web:upgrade:failed, b 0 applied web:upgrade:applied",
			"1 deploys, lead 600, failed 0, recovery -, open 0, rework 1"},
	} {
		d := Deliver("prod", delivered(t, c.entries), noon.Add(-time.Hour), noon.Add(24*time.Hour))
		text := func(n *int64) string {
			if n == nil {
				return "-"
			}
			return fmt.Sprint(*n)
		}
		have := fmt.Sprintf("%d deploys, lead %s, failed %d, recovery %s, open %d, rework %d", d.Deployments, text(d.LeadTime), d.Failed, text(d.RecoveryTime), d.Unrecovered, d.Rework)
		if have != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", sentence, have, c.want)
		}
	}
}

func TestRatesAreOfDeployments(t *testing.T) {
	d := Deliver("prod", delivered(t, "a 0 failed web:upgrade:failed, b 20 applied web:upgrade:applied, c 40 applied web:upgrade:applied, d 60 applied app:install:applied"), noon, noon.Add(48*time.Hour))
	if d.ChangeFailRate != 0.25 || d.ReworkRate != 0.25 || d.DeploysPerDay != 2 || !d.Complete {
		t.Errorf("%+v", d)
	}
	entries := delivered(t, "a 0 applied web:upgrade:applied")
	if d := Deliver("prod", entries, time.Time{}, noon.Add(48*time.Hour)); !d.Since.Equal(entries[0].Started) || !d.Complete {
		t.Errorf("without a beginning it is %+v", d)
	}
	if d := Deliver("prod", nil, time.Time{}, noon); !d.Since.Equal(noon) {
		t.Errorf("of nothing it is %+v", d)
	}
	many := make([]Entry, maxEntries)
	for i := range many {
		many[i].Started = noon
	}
	if Deliver("prod", many, noon.Add(-time.Hour), noon).Complete || !Deliver("prod", many, noon, noon).Complete {
		t.Error("a ledger that was cut off is complete only from its first entry on")
	}
}
