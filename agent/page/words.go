package page

import (
	"fmt"
	"strings"
	"time"

	"github.com/xetys/tether/agent/ledger"
)

// clock writes times as they are seen from now on.
type clock struct{ now time.Time }

func newClock(now time.Time) clock { return clock{now.UTC()} }

// stamp is a time: for machines, as short as it may be for people, and how long ago.
type stamp struct{ ISO, Text, Ago string }

// stamp returns a time as it is shown, in UTC; nothing of none.
func (c clock) stamp(t time.Time) stamp {
	if t.IsZero() {
		return stamp{}
	}
	t = t.UTC()
	text := t.Format("2 Jan 2006 15:04")
	switch {
	case t.Format(time.DateOnly) == c.now.Format(time.DateOnly):
		text = t.Format("15:04:05")
	case t.Year() == c.now.Year():
		text = t.Format("2 Jan 15:04")
	}
	return stamp{ISO: t.Format(time.RFC3339), Text: text, Ago: span(c.now.Sub(t).Abs())}
}

// span is a time that passes, in two units at the most.
func span(d time.Duration) string {
	d = d.Round(time.Second)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < 10*time.Minute && d%time.Minute != 0:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return parts(int(d.Hours()), "h", int(d.Minutes())%60, "min")
	}
	return parts(int(d.Hours())/24, "d", int(d.Hours())%24, "h")
}

func parts(a int, one string, b int, two string) string {
	if b == 0 {
		return fmt.Sprintf("%d %s", a, one)
	}
	return fmt.Sprintf("%d %s %d %s", a, one, b, two)
}

func count(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}

func short(commit string) string { return commit[:min(7, len(commit))] }

// cut shortens a text to so many characters.
func cut(text string, most int) string {
	if letters := []rune(text); len(letters) > most {
		return strings.TrimSpace(string(letters[:most-1])) + "…"
	}
	return text
}

// mark is a state: in a word, in a sign, and in a colour.
type mark struct {
	// Kind is good, bad, wait or idle: the colour.
	Kind string
	// Sign is the symbol's name.
	Sign string
	Word string
}

// The states that something may be in.
var (
	healthy   = mark{"good", "good", "healthy"}
	unhealthy = mark{"bad", "bad", "unhealthy"}
	paused    = mark{"wait", "held", "paused"}
	behind    = mark{"wait", "wait", "behind"}
	blocked   = mark{"wait", "held", "waits"}
	drifted   = mark{"wait", "drift", "drifted"}
	unread    = mark{"idle", "idle", "not read yet"}
)

func verdictMark(v ledger.Verdict) mark {
	m := mark{"idle", "idle", string(v)}
	switch v {
	case ledger.Applied:
		m.Kind, m.Sign = "good", "good"
	case ledger.NoOp:
		m.Kind, m.Sign = "good", "same"
	case ledger.Failed, ledger.Refused:
		m.Kind, m.Sign = "bad", "bad"
	case ledger.RolledBack:
		m.Kind, m.Sign = "bad", "back"
	case ledger.Held:
		m.Kind, m.Sign = "wait", "held"
	case ledger.Pending, ledger.Progressing:
		m.Kind, m.Sign = "wait", "wait"
	case "":
		m.Word = "no commit yet"
	}
	return m
}

// outcomeMark is what became of a release.
func outcomeMark(outcome string) mark { return verdictMark(ledger.Verdict(outcome)) }
