package ledger

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xetys/tether/render/fetch"
	"github.com/xetys/tether/source"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func commits(names ...string) []source.Commit {
	var out []source.Commit
	for _, n := range names {
		out = append(out, source.Commit{SHA: strings.Repeat(n, 40), Subject: "Commit " + n})
	}
	return out
}

// lines prints a ledger as "commit verdict reason", oldest first.
func lines(l *Ledger) string {
	var out []string
	for _, e := range l.Entries {
		out = append(out, strings.TrimSpace(fmt.Sprintf("%.1s %s %s", e.Commit.Commit, e.Verdict, e.Reason)))
	}
	return strings.Join(out, "\n")
}

func TestWhatChartsWereResolvedTo(t *testing.T) {
	pin := func(resolved string) []fetch.Pin { return []fetch.Pin{{Resolved: resolved}} }
	l := Ledger{Entries: []Entry{{Commit: Commit{Commit: "a"}, Charts: pin("1")}, {Commit: Commit{Commit: "b"}, Charts: pin("2")}, {Commit: Commit{Commit: "a"}}}}
	for commit, want := range map[string]string{"a": "[2] [1]", "b": "[1] [2]", "c": "[1 2] []"} {
		others, own := l.Pins(commit)
		if have := fmt.Sprint(resolved(others), resolved(own)); have != want {
			t.Errorf("commit %s: %s, not %s", commit, have, want)
		}
	}
}

func resolved(pins []fetch.Pin) []string {
	var out []string
	for _, p := range pins {
		out = append(out, p.Resolved)
	}
	return out
}

func TestLedger(t *testing.T) {
	for sentence, c := range map[string]struct {
		do   func(*Ledger)
		want string
	}{
		"a new head is pending": {func(l *Ledger) { l.AddCommits(commits("a"), noon) }, "a pending"},
		"the same head again changes nothing": {func(l *Ledger) {
			l.AddCommits(commits("a"), noon)
			l.Head().SetVerdict(Applied, "", noon)
			l.AddCommits(commits("a"), noon)
		}, "a applied"},
		"commits that came together are superseded by the last": {func(l *Ledger) {
			l.AddCommits(commits("a", "b", "c"), noon)
		}, "a superseded superseded by ccccccc\nb superseded superseded by ccccccc\nc pending"},
		"a head that was under way is superseded": {func(l *Ledger) {
			l.AddCommits(commits("a"), noon)
			l.Head().SetVerdict(Progressing, "", noon)
			l.AddCommits(commits("b"), noon)
		}, "a superseded superseded by bbbbbbb\nb pending"},
		"a head that was held is superseded": {func(l *Ledger) {
			l.AddCommits(commits("a"), noon)
			l.Head().SetVerdict(Held, "paused", noon)
			l.AddCommits(commits("b"), noon)
		}, "a superseded superseded by bbbbbbb\nb pending"},
		"a verdict that was given stays when a newer head comes": {func(l *Ledger) {
			l.AddCommits(commits("a"), noon)
			l.Head().SetVerdict(Failed, "why", noon)
			l.AddCommits(commits("b"), noon)
		}, "a failed why\nb pending"},
	} {
		t.Run(sentence, func(t *testing.T) {
			l := &Ledger{}
			c.do(l)
			if have := lines(l); have != c.want {
				t.Errorf("have\n%s\nwant\n%s", have, c.want)
			}
		})
	}
}

func TestALedgerIsBounded(t *testing.T) {
	l := &Ledger{Environment: "production"}
	for i := range 3 * maxEntries {
		l.AddCommits([]source.Commit{{SHA: fmt.Sprintf("%040d", i), Subject: strings.Repeat("long ", 2000)}}, noon)
	}
	if want := fmt.Sprintf("%040d", 0); l.Began != want {
		t.Errorf("it began with %s, want %s: what is its own since then must not be another's", l.Began, want)
	}
	if n := len(l.Entries); n != maxEntries {
		t.Errorf("%d entries", n)
	}
	text, err := l.Text()
	if err != nil || len(text) > maxBytes {
		t.Errorf("%d bytes, %v", len(text), err)
	}
	again, err := Parse(text)
	if err != nil || again.Head().Commit.Commit != fmt.Sprintf("%040d", 3*maxEntries-1) {
		t.Errorf("the newest entry is lost: %v", err)
	}
	if _, err := Parse("{"); err == nil {
		t.Errorf("a damaged ledger: %v", err)
	}
}

func TestTheVerdictOfACommit(t *testing.T) {
	outcome := func(name string, action, verdict Verdict, reason string) Outcome {
		return Outcome{Name: name, Action: string(action), Outcome: string(verdict), Reason: reason}
	}
	for sentence, c := range map[string]struct {
		head   Entry
		behind []Behind
		want   Verdict
		reason string
	}{
		"nothing to do is no-op":                                {Entry{}, nil, NoOp, "no release's inputs changed"},
		"all that was done was good":                            {Entry{Releases: []Outcome{outcome("a", "upgrade", Applied, "")}}, nil, Applied, ""},
		"one that failed fails it":                              {Entry{Releases: []Outcome{outcome("a", "upgrade", Applied, ""), outcome("b", "upgrade", Failed, "crash")}}, nil, Failed, "b: crash"},
		"one that went back":                                    {Entry{Releases: []Outcome{outcome("b", "upgrade", RolledBack, "crash")}}, nil, RolledBack, "b: crash"},
		"a failure counts before what went back and what waits": {Entry{Releases: []Outcome{outcome("a", "upgrade", RolledBack, "x"), outcome("b", "upgrade", Failed, "y"), outcome("c", "upgrade", Held, "z")}}, nil, Failed, "b: y; a: x; c: z"},
		"a drift that was put back is no deploy":                {Entry{Releases: []Outcome{outcome("a", Verdict(Repair), Applied, "")}}, nil, NoOp, "no release's inputs changed"},
		"what was given stays":                                  {Entry{Verdict: Applied}, nil, "", ""},
		"what was refused may be accepted":                      {Entry{Verdict: Refused, Releases: []Outcome{outcome("a", "upgrade", Applied, "")}}, nil, Applied, ""},
	} {
		t.Run(sentence, func(t *testing.T) {
			if c.head.Verdict == "" {
				c.head.Verdict = Pending
			}
			have, reason := Judge(&c.head, c.behind)
			if have != c.want || reason != c.reason {
				t.Errorf("%s: %s; want %s: %s", have, reason, c.want, c.reason)
			}
		})
	}
}

func TestSecondsBehindCountFromTheOldestCommitThatIsNotLive(t *testing.T) {
	l := &Ledger{}
	for i, v := range []Verdict{Applied, Superseded, Failed} {
		l.AddCommits(commits(fmt.Sprint(i)), noon.Add(time.Duration(i)*time.Minute))
		l.Head().SetVerdict(v, "", noon)
	}
	if s := l.SecondsBehind(noon.Add(10 * time.Minute)); s != 9*60 {
		t.Errorf("%d seconds behind", s)
	}
	l.Head().SetVerdict(Applied, "", noon)
	if s := l.SecondsBehind(noon.Add(10 * time.Minute)); s != 0 {
		t.Errorf("%d seconds behind", s)
	}
}

// Whatever a repository has a reason quote, the ledger can be written.
func TestALongReasonIsCutOff(t *testing.T) {
	l := &Ledger{}
	long := strings.Repeat("<ä", 500_000)
	for i := range maxEntries {
		l.AddCommits([]source.Commit{{SHA: fmt.Sprintf("%040d", i)}}, noon)
		l.Head().Merge(Outcome{Name: "web", Outcome: string(Failed), Reason: long})
		l.Head().SetVerdict(Refused, long, noon)
		l.Head().SetVerdict(Refused, long, noon.Add(time.Hour))
	}
	text, err := l.Text()
	if err != nil || len(text) > maxBytes {
		t.Errorf("%d bytes: %v", len(text), err)
	}
	if at := l.Head().Finished; at == nil || !at.Equal(noon) {
		t.Errorf("the same reason again is told as another one, at %v", at)
	}
	if _, err := Parse(text); err != nil {
		t.Error(err)
	}
}

// What a terminal would obey comes into no reason, and lines stay lines.
func TestAReasonIsText(t *testing.T) {
	e := Entry{Verdict: Pending}
	e.SetVerdict(Refused, "web:\n\tline 2\x1b[2J\u009b2J\u202e", noon)
	e.Merge(Outcome{Name: "web", Reason: "\x1b]0;owned\x07"})
	if want := "web:\n\tline 2�[2J�2J�"; e.Reason != want || e.Releases[0].Reason != "�]0;owned�" {
		t.Errorf("%q, %q", e.Reason, e.Releases[0].Reason)
	}
	if long := Shorten(strings.Repeat("ä\x1b", 500_000)); Shorten(long) != long || len(long) > maxReason+100 {
		t.Errorf("it is cut twice: %d bytes, %d", len(long), len(Shorten(long)))
	}
}

// What pods wrote goes before anything else that does not fit; the newest entry keeps it.
func TestLogsAreLeftOutFirst(t *testing.T) {
	l := &Ledger{Environment: "prod"}
	lines := slices.Repeat([]string{strings.Repeat("x", 300)}, 10)
	for i := range 50 {
		e := Entry{Commit: Commit{Commit: fmt.Sprintf("c%d", i)}, Verdict: Failed}
		for n := range 10 {
			e.Releases = append(e.Releases, Outcome{Name: fmt.Sprintf("r%d", n), Outcome: string(Failed), Log: lines})
		}
		l.Entries = append(l.Entries, e)
	}
	text, err := l.Text()
	if err != nil || len(text) > maxBytes || len(l.Entries) != 50 {
		t.Fatalf("%d bytes, %d entries, %v", len(text), len(l.Entries), err)
	}
	if l.Entries[48].Releases[0].Log != nil || len(l.Entries[49].Releases[0].Log) != 10 {
		t.Error("the newest entry alone keeps its logs")
	}
}
