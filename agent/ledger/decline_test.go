package ledger

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
)

// TestADeclineIsToldOnce plays how a release does over time. Each step is "SECOND CONDITION", and
// what is told is "SECOND bad" or "SECOND good"; after is 15 seconds.
func TestADeclineIsToldOnce(t *testing.T) {
	conditions := map[string]Condition{"unsure": ConditionUnknown, "well": ConditionHealthy, "slow": ConditionProgressing, "sick": ConditionUnhealthy}
	for sentence, c := range map[string]struct{ steps, told string }{
		"it is well":                                  {"0s well, 60s well", ""},
		"it is sick for a moment":                     {"0s sick, 10s well, 30s well", ""},
		"it becomes sick":                             {"0s sick, 15s sick, 30s sick, 10m sick", "15s bad"},
		"it becomes sick and recovers":                {"0s sick, 20s sick, 30s well, 44s well, 45s well, 60s well", "20s bad, 45s good"},
		"it comes and goes":                           {"0s sick, 5s well, 10s sick, 16s sick, 20s well, 25s sick, 30s well, 40s sick, 50s well, 65s well", "16s bad, 65s good"},
		"something is in progress for a while":        {"0s slow, 50s slow, 55s well, 80s well", ""},
		"something is in progress and does not end":   {"0s slow, 60s slow, 90s slow", "60s bad"},
		"what is in progress turns out to be sick":    {"0s slow, 30s sick", "30s bad"},
		"nobody can see it for a while":               {"0s sick, 20s sick, 30s unsure, 90s unsure, 95s sick, 100s well, 115s well", "20s bad, 115s good"},
		"nobody can see it, and it was well":          {"0s well, 10s unsure, 90s unsure, 95s well", ""},
		"it recovers, and becomes sick again in time": {"0s sick, 15s sick, 20s well, 40s well, 50s sick, 70s sick", "15s bad, 40s good, 70s bad"},
	} {
		t.Run(sentence, func(t *testing.T) {
			start := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
			var d *Decline
			var told []string
			for step := range strings.SplitSeq(c.steps, ", ") {
				at, how, _ := strings.Cut(step, " ")
				after, err := time.ParseDuration(at)
				condition, known := conditions[how]
				if err != nil || !known {
					t.Fatal(step)
				}
				next, turned := d.Next(condition, start.Add(after), 15*time.Second)
				if turned && next != nil {
					told = append(told, at+" bad")
				} else if turned {
					told = append(told, at+" good")
				}
				d = restored(t, next)
			}
			if have := strings.Join(told, ", "); have != c.told {
				t.Errorf("told %q, want %q", have, c.told)
			}
		})
	}
}

// restored is a decline as another process reads it.
func restored(t *testing.T, d *Decline) *Decline {
	t.Helper()
	raw, err := json.Marshal(Release{Decline: d})
	if err != nil {
		t.Fatal(err)
	}
	var r Release
	if err := json.Unmarshal(raw, &r); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(r.Decline, d) {
		t.Fatalf("%+v was stored as %s", d, raw)
	}
	return r.Decline
}

func TestTheNextTellingIsTheEarliestThatIsStillToCome(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	due := func(after time.Duration) *Decline { return &Decline{Since: now, Due: now.Add(after)} }
	l := &Ledger{Releases: []Release{{Name: "a"}, {Name: "b", Decline: due(9 * time.Second)}, {Name: "c", Decline: due(3 * time.Second)}, {Name: "d", Decline: due(-time.Second)}, {Name: "e", Decline: &Decline{Notified: true}}}}
	if got := l.NextDeclineDue(now); !got.Equal(now.Add(3 * time.Second)) {
		t.Errorf("%s", got)
	}
	if got := l.NextDeclineDue(now.Add(time.Minute)); !got.IsZero() {
		t.Errorf("%s, though all are past", got)
	}
}
