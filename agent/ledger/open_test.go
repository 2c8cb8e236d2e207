package ledger

import (
	"fmt"
	"strings"
	"testing"
)

// began has the head change releases, each as "name digest".
func began(l *Ledger, releases ...string) {
	e := l.Head()
	for _, r := range releases {
		name, digest, _ := strings.Cut(r, " ")
		e.Begin("prod/"+name, digest)
	}
	e.SetVerdict(Progressing, "", noon)
}

func ended(e *Entry, name string, v Verdict, reason string) {
	e.Merge(Outcome{Name: name, Namespace: "prod", Action: "upgrade", Outcome: string(v), Reason: reason})
}

func closed(l *Ledger) string {
	for _, e := range l.Open() {
		v, why := JudgeOlder(e, l.Head())
		e.SetVerdict(v, why, noon)
	}
	return lines(l)
}

func TestACommitWhoseRolloutsAreUnderWayKeepsItsOwnVerdict(t *testing.T) {
	for sentence, c := range map[string]struct {
		do   func(a *Entry)
		want string
	}{
		"what became healthy is applied":                 {func(a *Entry) { ended(a, "web", Applied, "") }, "a applied"},
		"what went back is rolled-back":                  {func(a *Entry) { ended(a, "web", RolledBack, "crash") }, "a rolled-back web: crash"},
		"what failed is failed":                          {func(a *Entry) { ended(a, "web", Failed, "crash") }, "a failed web: crash"},
		"what did not come to its end is superseded":     {func(*Entry) {}, "a superseded superseded by bbbbbbb"},
		"what was interrupted is superseded":             {func(a *Entry) { ended(a, "web", Progressing, "") }, "a superseded superseded by bbbbbbb"},
		"what was blocked, and nothing else, superseded": {func(a *Entry) { ended(a, "web", Held, "blocked by db") }, "a superseded superseded by bbbbbbb"},
	} {
		t.Run(sentence, func(t *testing.T) {
			l := &Ledger{}
			l.AddCommits(commits("a"), noon)
			began(l, "web 1")
			l.AddCommits(commits("b"), noon)
			if have := lines(l); have != "a progressing\nb pending" {
				t.Fatalf("after the newer commit came:\n%s", have)
			}
			c.do(l.Open()[0])
			if have, want := closed(l), c.want+"\nb pending"; have != want {
				t.Errorf("have\n%s\nwant\n%s", have, want)
			}
		})
	}
}

func TestHalfOfACommitThatWentOnIsNotApplied(t *testing.T) {
	l := &Ledger{}
	l.AddCommits(commits("a"), noon)
	began(l, "web 1", "api 1")
	l.AddCommits(commits("b"), noon)
	ended(l.Open()[0], "web", Applied, "")
	if have, want := closed(l), "a superseded superseded by bbbbbbb\nb pending"; have != want {
		t.Errorf("have\n%s\nwant\n%s", have, want)
	}
}

func TestToWhichCommitARolloutBelongs(t *testing.T) {
	l := &Ledger{}
	l.AddCommits(commits("a"), noon)
	began(l, "web 1", "old ")
	l.AddCommits(commits("b"), noon)
	began(l, "api 2")
	l.AddCommits(commits("c"), noon)
	for sentence, c := range map[string]struct{ release, digest, want string }{
		"what an older one asked for is its own":      {"prod/web", "1", "a"},
		"what another older one asked for is its own": {"prod/api", "2", "b"},
		"other inputs are the head's":                 {"prod/web", "2", "c"},
		"what an older one removes is its own":        {"prod/old", "", "a"},
		"what nobody asked for before is the head's":  {"prod/new", "1", "c"},
		"the same name elsewhere is another release":  {"dev/web", "1", "c"},
	} {
		if have := l.Begun(c.release, c.digest).Commit.Commit[:1]; have != c.want {
			t.Errorf("%s: %s, not %s", sentence, have, c.want)
		}
	}
}

// Two releases of one name, in two namespaces, have an outcome each.
func TestOutcomesAreKeptByNamespaceAndName(t *testing.T) {
	e := &Entry{Verdict: Progressing}
	e.Merge(Outcome{Name: "web", Namespace: "a", Outcome: string(Failed), Reason: "crash"})
	e.Merge(Outcome{Name: "web", Namespace: "b", Outcome: string(Applied)})
	if v, why := Judge(e, nil); v != Failed || why != "web: crash" {
		t.Errorf("%s: %s", v, why)
	}
}

// However much there is to say, the newest verdict can be stored.
func TestTheNewestVerdictAlwaysFits(t *testing.T) {
	l := &Ledger{Environment: "production"}
	l.AddCommits(commits("a"), noon)
	long := strings.Repeat("x", 10_000)
	for i := range 3000 {
		name := fmt.Sprintf("release-%d", i)
		ended(l.Head(), name, Failed, long)
		r := Release{Name: name, Namespace: "prod", Reason: Shorten(long), BlockedBy: []string{long[:300]}}
		for n := range 60 {
			r.Drift = append(r.Drift, Drift{Object: long[:200], Path: fmt.Sprint(n), Want: long[:100], Have: long[:100]})
		}
		l.Releases = append(l.Releases, r)
	}
	l.Head().SetVerdict(Failed, long, noon)
	text, err := l.Text()
	if err != nil || len(text) > maxBytes {
		t.Fatalf("%d bytes: %v", len(text), err)
	}
	again, err := Parse(text)
	if err != nil || again.Head().Verdict != Failed || len(again.Releases) != 3000 || again.Releases[0].MoreDrift != 60 {
		t.Errorf("%v: %s, %d releases", err, again.Head().Verdict, len(again.Releases))
	}
}

// No two ConfigMaps have one name, whatever the environments are called.
func TestNamesAreTold(t *testing.T) {
	seen := map[string]string{}
	for _, environment := range []string{"x", "x-control", "control.x", "control", "damaged.x", "x.control", "tether-x"} {
		for _, name := range []string{Name(environment), ControlDocument(environment, "").Name, DamagedDocument(environment, "").Name, UnreadControlDocument(environment, "").Name} {
			if other, taken := seen[name]; taken {
				t.Errorf("%s is the name of %s and of %s", name, other, environment)
			}
			seen[name] = environment
		}
	}
}
