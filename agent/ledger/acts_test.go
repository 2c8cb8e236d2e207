package ledger

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func told(story []HistoryItem) string {
	var out []string
	for _, m := range story {
		if m.Entry != nil {
			out = append(out, m.Entry.Commit.Commit)
			continue
		}
		text := m.Act.Kind
		if m.Act.Times > 0 {
			text += fmt.Sprintf(" x%d", m.Act.Times)
		}
		out = append(out, text)
	}
	return strings.Join(out, ", ")
}

func TestTheStoryOfAnEnvironment(t *testing.T) {
	at := func(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }
	end := at(20)
	l := &Ledger{Entries: []Entry{{Commit: Commit{Commit: "a"}, Started: at(0), Finished: &end, Verdict: Applied}, {Commit: Commit{Commit: "b"}, Started: at(30), Verdict: Progressing}}}
	for i := range 3 {
		l.AddAct(Act{Kind: Repaired, At: at(10 + i), Release: "web", Reason: "edited"})
	}
	l.AddAct(Act{Kind: Repaired, At: at(40), Release: "app", Reason: "edited"})
	var c Control
	c.note(Act{Kind: Paused, At: at(5)})
	c.note(Act{Kind: Resumed, At: at(6)})
	for sentence, want := range map[string]struct {
		since time.Time
		limit int
		text  string
	}{
		"all of it, newest first":               {time.Time{}, 0, "repair, b, repair x3, resume, pause, a"},
		"the newest":                            {time.Time{}, 2, "repair, b"},
		"a commit counts until it ended":        {at(15), 0, "repair, b, a"},
		"what goes on counts whenever it began": {at(60), 0, "b"},
	} {
		if have := told(l.History(c, want.since, want.limit)); have != want.text {
			t.Errorf("%s: %s; want %s", sentence, have, want.text)
		}
	}
}

func TestActsAreBounded(t *testing.T) {
	l := &Ledger{}
	for i := range 1000 {
		l.AddAct(Act{Kind: Repaired, At: noon, Release: fmt.Sprint(i % 7), Reason: strings.Repeat("x", 10_000)})
	}
	text, err := l.Text()
	if err != nil || len(l.Acts) != maxActs || len(text) > 100<<10 {
		t.Errorf("%d acts, %d bytes, %v", len(l.Acts), len(text), err)
	}
}

// A release whose health comes and goes does not push out what people asked for.
func TestTurnsOfHealthLeaveRoomForTheRest(t *testing.T) {
	l := &Ledger{}
	for i := range 10 {
		l.AddAct(Act{Kind: Repaired, At: noon, Release: fmt.Sprint(i)})
	}
	for i := range 1000 {
		l.AddAct(Act{Kind: []string{Unhealthy, Recovered}[i%2], At: noon.Add(time.Duration(i) * time.Minute), Release: "web"})
	}
	if n := len(l.Acts); n != 10+maxHealthChanges || l.Acts[9].Release != "9" {
		t.Fatalf("%d acts are kept, the last repair is %+v", n, l.Acts[9])
	}
	if last := l.Acts[len(l.Acts)-1]; last.Kind != Recovered || !last.At.Equal(noon.Add(999*time.Minute)) {
		t.Errorf("the newest turn is %+v", last)
	}
}
