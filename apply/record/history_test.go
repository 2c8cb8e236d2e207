package record

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"helm.sh/helm/v3/pkg/release"
)

// history reads records as they are written here: revisions by blanks, each a digest (- for
// one of Helm's), a mark for its status and one for what it lacks: d is deployed, s
// superseded, u uninstalled, f failed, n failed before it applied anything, r a way back that failed,
// a abandoned, p pending; ! is
// damaged, 0 deleted.
func history(text string) History {
	var h History
	for i, word := range strings.Fields(text) {
		r := &Record{Name: "web", Namespace: "prod", Revision: i + 1}
		if word[:1] != "-" {
			r.Digest, r.Environment, r.Outcome = word[:1], "prod", Good
		}
		r.Status = map[byte]release.Status{'d': release.StatusDeployed, 's': release.StatusSuperseded, 'u': release.StatusUninstalled,
			'f': release.StatusFailed, 'n': release.StatusFailed, 'r': release.StatusFailed, 'a': release.StatusFailed, 'p': release.StatusPendingUpgrade}[word[1]]
		if o := map[byte]Outcome{'f': Failed, 'n': Failed, 'r': Failed, 'a': Abandoned, 'p': Pending}[word[1]]; o != "" && r.Digest != "" {
			r.Outcome = o
		}
		r.Untouched = word[1] == 'n'
		if word[1] == 'r' {
			r.Action = Rollback
		}
		switch word[2:] {
		case "!":
			r.Damage = "it is damaged"
		case "0":
			_ = r.deleted() // what it is from now on
		}
		h = append(h, r)
	}
	return h
}

func revisions(records []*Record) string {
	var out []string
	for _, r := range records {
		if r != nil {
			out = append(out, fmt.Sprint(r.Revision))
		}
	}
	return strings.Join(out, " ")
}

func TestWhatAHistoryTells(t *testing.T) {
	for sentence, c := range map[string]struct {
		history                                                        string
		last, current, own, foreign, stray, intended, damaged, goodOfA string
		next                                                           int
		ran                                                            bool
	}{
		"nothing ran":                            {"", "", "", "", "", "", "", "", "", 1, false},
		"what is deployed runs":                  {"as bd", "2", "2", "2", "", "", "2", "", "1", 3, true},
		"a first rollout that failed never ran":  {"af", "1", "", "", "", "", "1", "", "", 2, false},
		"a damaged record is passed over":        {"as bd cf!", "2", "2", "2", "", "", "2", "3", "1", 4, true},
		"its number is not given again":          {"as bd cf! df!", "2", "2", "2", "", "", "2", "3 4", "1", 5, true},
		"what runs though its record is gone":    {"as bd0", "1", "", "1", "", "", "1", "", "1", 3, true},
		"what runs though its record is broken":  {"as bd!", "1", "", "1", "", "", "1", "2", "1", 3, true},
		"all records are broken":                 {"as! bd!", "", "", "", "", "", "", "1 2", "", 3, false},
		"what was uninstalled does not run":      {"as au", "2", "", "", "", "", "", "", "", 3, false},
		"what came back after it does":           {"as au bd", "3", "3", "3", "", "", "3", "", "", 4, true},
		"helm's upgrade is another's":            {"ad -d", "2", "2", "1", "2", "1", "1 2", "", "1", 3, true},
		"helm's rollback is another's":           {"as bs -d", "3", "3", "2", "3", "", "2 3", "", "1", 4, true},
		"helm's failure is another's":            {"ad -f", "2", "1", "1", "2", "", "1 2", "", "1", 3, true},
		"helm's alone is no other's":             {"-s -d", "2", "2", "", "", "", "2", "", "", 3, true},
		"two that are deployed are one too many": {"ad -d bd", "3", "3", "3", "", "2 1", "3", "", "1", 4, true},
	} {
		t.Run(sentence, func(t *testing.T) {
			h := history(c.history)
			for what, pair := range map[string][2]string{
				"last":     {revisions([]*Record{h.Last()}), c.last},
				"current":  {revisions([]*Record{h.Current()}), c.current},
				"own":      {revisions([]*Record{h.Own()}), c.own},
				"foreign":  {revisions([]*Record{h.Foreign()}), c.foreign},
				"stray":    {revisions(h.StaleDeployed()), c.stray},
				"intended": {revisions(h.Intended()), c.intended},
				"damaged":  {revisions(h.Damaged()), c.damaged},
				"good":     {revisions([]*Record{h.GoodWith("a")}), c.goodOfA},
				"next":     {fmt.Sprint(h.Next()), fmt.Sprint(c.next)},
				"ran":      {fmt.Sprint(h.IsInstalled()), fmt.Sprint(c.ran)},
			} {
				if pair[0] != pair[1] {
					t.Errorf("%s is %q, not %q", what, pair[0], pair[1])
				}
			}
		})
	}
}

func TestWhatOfAHistoryIsSurplus(t *testing.T) {
	for sentence, c := range map[string]struct {
		history string
		keep    int
		want    string
	}{
		"the oldest":                            {"as bs cs dd", 2, "1 2"},
		"not what runs":                         {"as bd cf", 1, "1"},
		"nothing of what may be in the cluster": {"ad bf cf df", 1, ""},
		"but a rollback that failed again":      {"ad bf ar ar ar ar", 3, "3 4 5"},
		"failures tell how often it was tried":  {"ad bf bf ba", 1, ""},
		"what was given up, and begun again":    {"ad ba ba bp", 1, "2 3"},
		"damaged ones go with those around":     {"as! bs cd", 1, "1 2"},
		"damaged ones after what runs stay":     {"as bd cf!", 1, "1"},
		"what was uninstalled":                  {"as bu cd", 1, "1 2"},
	} {
		t.Run(sentence, func(t *testing.T) {
			if have := revisions(Expendable(history(c.history), c.keep)); have != c.want {
				t.Errorf("have %q, want %q", have, c.want)
			}
		})
	}
}

func TestWhenAReleaseWasFirstDeployed(t *testing.T) {
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	h := history("as bs cd")
	for i, r := range h {
		r.created = now.Add(time.Duration(i-10) * time.Hour)
	}
	if have := h.FirstDeployed(now); !have.Equal(h[0].created) {
		t.Errorf("without bodies: %s, want %s", have, h[0].created)
	}
	first := now.Add(-24 * time.Hour)
	h[2].about = &about{first: first}
	if have := h.FirstDeployed(now); !have.Equal(first) {
		t.Errorf("as the newest says: %s, want %s", have, first)
	}
	h[2].Status = release.StatusUninstalled
	if have := h.FirstDeployed(now); !have.Equal(now) {
		t.Errorf("after an uninstall: %s, want now", have)
	}
	if slices.Contains(h, nil) {
		t.Fatal("a record is missing")
	}
}

func TestWhatRuns(t *testing.T) {
	for sentence, c := range map[string]struct{ history, runs, settled string }{
		"nothing":                                           {"", "", ""},
		"what is deployed":                                  {"as bd", "2", "2"},
		"a first rollout that failed":                       {"af", "1", "1"},
		"what failed, and was not gone back from":           {"ad bf", "2", "2"},
		"what failed before it applied anything does not":   {"ad bn", "1", "1"},
		"what failed before that does":                      {"ad bf an", "2", "2"},
		"a way back that failed":                            {"ad bf ar", "3", "3"},
		"what it went back to":                              {"as bf ad", "3", "3"},
		"the former version, while the next one is begun":   {"ad bp", "1", ""},
		"what was given up halfway is no version":           {"ad ba", "1", ""},
		"neither is what failed after that before it began": {"ad ba cn", "1", ""},
		"helm's failure is for helm":                        {"ad -f", "1", ""},
		"what was uninstalled does not":                     {"ad bf bu", "", ""},
	} {
		t.Run(sentence, func(t *testing.T) {
			h := history(c.history)
			if got := revisions([]*Record{h.Running()}); got != c.runs {
				t.Errorf("revision %q runs; want %q", got, c.runs)
			}
			if got := revisions([]*Record{h.Settled()}); got != c.settled {
				t.Errorf("the cluster is settled with revision %q; want %q", got, c.settled)
			}
		})
	}
}

func TestWhatFailedOneAfterTheOtherIsSpent(t *testing.T) {
	for sentence, c := range map[string]struct{ history, spent string }{
		"nothing within what is kept":                 {"ad bf", ""},
		"those that ended, if there are more":         {"ad bf cf df", "2 3"},
		"never the newest":                            {"ad bf cf", ""},
		"what never ran, too":                         {"af bf cf df ef", "1 2 3 4"},
		"neither what runs":                           {"ad bf cn dn en", "3 4"},
		"nor what helm wrote":                         {"ad -f cf df ef", "3 4"},
		"nor what is damaged":                         {"ad bf! cf df ef", "3 4"},
		"what was given up":                           {"ad ba ca da", "2 3"},
		"what came before the current one is surplus": {"as bf cf dd ef", ""},
	} {
		t.Run(sentence, func(t *testing.T) {
			if got := revisions(ExpendableAttempts(history(c.history), 3)); got != c.spent {
				t.Errorf("%q; want %q", got, c.spent)
			}
		})
	}
}
