package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/render/blame"
)

// moment is what --at names: a time, or a commit.
type moment struct {
	time   time.Time
	commit string
}

// clockLayouts are the ways in which people write a time; without a zone it is UTC.
var clockLayouts = []string{time.RFC3339, "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04", time.DateOnly}

// parseMoment reads a time, or else takes it for a commit: 2026-11-24T14:02Z, 14:02 (the
// last time that it was so late, in UTC), 2h or 3d ago. A leading @ says that it is a time.
func parseMoment(text string, now time.Time) (moment, error) {
	text, isTime := strings.CutPrefix(text, "@")
	for _, layout := range clockLayouts {
		if t, err := time.Parse(layout, text); err == nil {
			return moment{time: t.UTC()}, come(t, now, text)
		}
	}
	for _, layout := range []string{"15:04", "15:04:05"} {
		t, err := time.Parse(layout, text)
		if err != nil {
			continue
		}
		now := now.UTC()
		at := time.Date(now.Year(), now.Month(), now.Day(), t.Hour(), t.Minute(), t.Second(), 0, time.UTC)
		if at.After(now) {
			at = at.AddDate(0, 0, -1)
		}
		return moment{time: at}, nil
	}
	if text != "" && text[0] >= '0' && text[0] <= '9' && strings.ContainsAny(text[len(text)-1:], "smhd") {
		if t, err := parseSince(text, now); err == nil {
			return moment{time: t.UTC()}, nil
		}
	}
	if isTime || text == "" {
		return moment{}, usageError{fmt.Errorf("%q is no time: write 2026-11-24T14:02Z, 2026-11-24, 14:02, 2h or 3d", text)}
	}
	return moment{commit: text}, nil
}

func come(t, now time.Time, text string) error {
	if t.After(now) {
		return usageError{fmt.Errorf("%s has not come yet", text)}
	}
	if t.Unix() < 0 {
		return usageError{fmt.Errorf("%s is before 1970, when git's times begin", text)}
	}
	return nil
}

// ran is the commit that ran at a moment.
type ran struct {
	*blame.Commit
	// Entry is the ledger's, if that tells; nil if only git does.
	Entry *ledger.Entry
	// How says how it is known, when it is not by the ledger.
	How string
}

// ranAt finds the commit that ran at a moment: by the ledger, which knows when commits
// went live, or else by git, which knows when they were made.
func ranAt(p past, rev string, l *ledger.Ledger, why string, at moment) (*ran, error) {
	if at.commit != "" {
		c, err := p.Commit(at.commit)
		if err != nil {
			return nil, usageError{err}
		}
		out := &ran{Commit: c}
		if l != nil {
			out.Entry = l.Decides(c.SHA)
		}
		return out, nil
	}
	if e := liveAt(l, at.time); e != nil {
		c, err := p.Commit(e.Commit.Commit)
		if err == nil {
			return &ran{Commit: c, Entry: e}, nil
		}
		why = fmt.Sprintf("commit %.7s, which ran then, is not in this repository: %v", e.Commit.Commit, err)
	} else if l != nil {
		why = beginning(l)
	}
	c, err := headAt(p, rev, at.time)
	if err != nil {
		return nil, err
	}
	return &ran{Commit: c, How: fmt.Sprintf("by git alone, which does not know when a commit went live (%s)", why)}, nil
}

// beginning says from when on a ledger knows.
func beginning(l *ledger.Ledger) string {
	for _, e := range l.Entries {
		if e.Verdict.Live() && e.Finished != nil {
			return "the ledger knows what ran from " + stamp(*e.Finished) + " on"
		}
	}
	return "the ledger knows of nothing that went live"
}

// liveAt is the entry that was live at a time: the newest that had gone live by then. nil
// if the ledger does not go back so far.
func liveAt(l *ledger.Ledger, at time.Time) *ledger.Entry {
	if l == nil {
		return nil
	}
	for _, e := range slices.Backward(l.Entries) {
		if e.Verdict.Live() && e.Finished != nil && !e.Finished.After(at) {
			return &e
		}
	}
	return nil
}

// headAt is the newest commit of the branch, by first parents, that was there at a time.
func headAt(p past, rev string, at time.Time) (*blame.Commit, error) {
	c, err := p.Commit(rev)
	if err != nil {
		return nil, usageError{err}
	}
	for c.Time.After(at) {
		if len(c.Parents) == 0 {
			text := fmt.Sprintf("%s is before the first commit, %.7s of %s", stamp(at), c.SHA, stamp(c.Time))
			if c.Cut {
				text = fmt.Sprintf("%s is before %.7s of %s, with which this clone begins; %s", stamp(at), c.SHA, stamp(c.Time), p.Shallow())
			}
			return nil, usageError{fmt.Errorf("%s", text)}
		}
		if c, err = p.Commit(c.Parents[0]); err != nil {
			return nil, usageError{err}
		}
	}
	return c, nil
}

// revisionAt is the commit that --at names for commands that read one; the note says how
// it is known.
func (s *shared) revisionAt(ctx context.Context, environment, text string, now time.Time) (sha, note string, err error) {
	at, err := parseMoment(text, now)
	if err != nil {
		return "", "", err
	}
	p, err := s.openPast()
	if err != nil {
		return "", "", err
	}
	var l *ledger.Ledger
	why := ""
	if at.commit == "" {
		if l, why = s.ledgerOf(ctx, environment, serverFlags{}); l == nil {
			why = strings.TrimPrefix(why, untold)
		}
	}
	found, err := ranAt(p, "HEAD", l, why, at)
	if err != nil {
		return "", "", err
	}
	if at.commit == "" {
		note = fmt.Sprintf("at %s: %.7s %s", stamp(at.time), found.SHA, oneLine(found.Subject))
		if found.How != "" {
			note += ", " + found.How
		}
	}
	return found.SHA, note, nil
}

// parseSince reads a point in time: so long before now, a day, or a time.
func parseSince(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n > 0 && n < 100_000 {
			return now.AddDate(0, 0, -n), nil
		}
	}
	if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, usageError{fmt.Errorf("--since %q: use a duration like 24h or 30d, a day like 2026-01-31, or a time like 2026-01-31T09:00:00Z", text)}
}
