package notify

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xetys/tether/agent/ledger"
)

var noon = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

func entry(sha string, v ledger.Verdict, minutes int, outcomes ...ledger.Outcome) ledger.Entry {
	return ledger.Entry{Commit: ledger.Commit{Commit: strings.Repeat(sha, 40), Subject: "Bump web", Author: "Ann", Time: noon}, Verdict: v,
		Started: noon.Add(time.Duration(minutes) * time.Minute), Releases: outcomes}
}

func prod(entries ...ledger.Entry) *ledger.Ledger {
	return &ledger.Ledger{Environment: "prod", Repository: "https://git.example.com/acme/config", Entries: entries}
}

func anyRelease(string) bool { return true }

func TestWhatALedgerHasPeopleTold(t *testing.T) {
	web := ledger.Outcome{Name: "web", Action: "upgrade", Outcome: "applied", Revision: 4}
	for sentence, c := range map[string]struct {
		ledger *ledger.Ledger
		about  string // a release; empty for all
		want   []string
	}{
		"a commit is one notice, by its verdict": {
			prod(entry("a", ledger.Applied, 0, web)), "", []string{"deploy applied prod: applied aaaaaaa Bump web (Ann) | web: upgrade applied, revision 4"},
		},
		"what is under way is told without what changes all the time": {
			prod(entry("a", ledger.Progressing, 0, web)), "", []string{"deploy progressing prod: progressing aaaaaaa Bump web (Ann)"},
		},
		"a commit that did nothing to a release is not told to who asks for that": {
			prod(entry("a", ledger.Applied, 0, web), entry("b", ledger.Failed, 1, ledger.Outcome{Name: "api", Action: "upgrade", Outcome: "failed"})), "web",
			[]string{"deploy applied prod: applied aaaaaaa Bump web (Ann) | web: upgrade applied, revision 4"},
		},
		"drift of many releases is one notice": {
			&ledger.Ledger{Environment: "prod", Releases: []ledger.Release{
				{Name: "web", Drift: []ledger.Drift{{Object: "Deployment prod/web", Path: ".spec.replicas", Have: "9", Manager: "kubectl-edit", Since: noon}}},
				{Name: "api", Drift: []ledger.Drift{{Object: "Deployment prod/api", Path: ".spec.replicas", Manager: "kubectl-edit", Since: noon.Add(-time.Hour)}}},
				{Name: "app", Drift: []ledger.Drift{{Object: "Deployment prod/app", Path: ".metadata.labels.x", Foreign: true, Since: noon}}},
			}}, "", []string{"drift open prod: drifted: api, web | web: Deployment prod/web .spec.replicas, by kubectl-edit | api: Deployment prod/api .spec.replicas, by kubectl-edit"},
		},
		"repairs of one minute are one notice": {
			&ledger.Ledger{Environment: "prod", Acts: []ledger.Act{
				{Kind: ledger.Repaired, At: noon, Release: "web", Reason: "replicas was 9, not 2"}, {Kind: ledger.Repaired, At: noon.Add(20 * time.Second), Release: "api", Reason: "image was v1"},
				{Kind: ledger.Paused, At: noon},
			}}, "", []string{"repair over prod: drift of api, web was put back | web: replicas was 9, not 2 | api: image was v1"},
		},
		"what is put back again and again is a fight while it lasts": {
			&ledger.Ledger{Environment: "prod", Acts: []ledger.Act{{Kind: ledger.Repaired, At: noon.Add(-25 * time.Hour), Release: "web", Reason: "replicas was 9", Times: 40, Last: noon}}}, "",
			[]string{"fight open prod: web is changed again each time it is put back | web: replicas was 9"},
		},
		"and none when it has ended": {
			&ledger.Ledger{Environment: "prod", Acts: []ledger.Act{{Kind: ledger.Repaired, At: noon.Add(-25 * time.Hour), Release: "web", Times: 40, Last: noon.Add(-time.Hour)}}}, "", nil,
		},
		"a release is unhealthy when that has lasted, and behind git after a while": {
			&ledger.Ledger{Environment: "prod", Releases: []ledger.Release{
				{Name: "web", Reason: "pod web-1: CrashLoopBackOff", Decline: &ledger.Decline{Since: noon, Notified: true}}, {Name: "api", Decline: &ledger.Decline{Since: noon}},
				{Name: "app", Behind: noon.Add(-2 * time.Hour)}, {Name: "new", Behind: noon.Add(-time.Minute)},
			}}, "", []string{"unhealthy open prod: unhealthy: web | web: pod web-1: CrashLoopBackOff", "behind open prod: behind git: app | app: since 2026-11-27T10:00:00Z"},
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			about := anyRelease
			if c.about != "" {
				about = func(name string) bool { return name == c.about }
			}
			var have []string
			for _, n := range Notices(c.ledger, about, time.Hour, noon.Add(time.Minute)) {
				have = append(have, fmt.Sprintf("%s %s %s", n.Kind, n.State, strings.Join(append([]string{n.Title}, n.Lines...), " | ")))
			}
			if !slices.Equal(have, c.want) {
				t.Errorf("have %q\nwant %q", have, c.want)
			}
		})
	}
}
