package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/agent/why"
)

func TestMomentsAreReadAsPeopleWriteThem(t *testing.T) {
	now := time.Date(2026, 11, 27, 15, 30, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"2026-11-24T14:02Z":      "2026-11-24T14:02:00Z",
		"2026-11-24T14:02:03Z":   "2026-11-24T14:02:03Z",
		"@2026-11-24T14:02Z":     "2026-11-24T14:02:00Z",
		"2026-11-24T14:02+02:00": "2026-11-24T12:02:00Z",
		"2026-11-24 14:02":       "2026-11-24T14:02:00Z",
		"2026-11-24":             "2026-11-24T00:00:00Z",
		"14:02":                  "2026-11-27T14:02:00Z",
		"16:02":                  "2026-11-26T16:02:00Z", // it was so late yesterday
		"2h":                     "2026-11-27T13:30:00Z",
		"@3d":                    "2026-11-24T15:30:00Z",
		"4c1d2d3":                "commit 4c1d2d3",
		"HEAD~3":                 "commit HEAD~3",
		"2026-11-28":             "error: has not come yet",
		"@yesterday":             "error: is no time",
		"":                       "error: is no time",
	} {
		got, err := parseMoment(text, now)
		switch {
		case err != nil:
			if rest, ok := strings.CutPrefix(want, "error: "); !ok || !strings.Contains(err.Error(), rest) || !errors.As(err, new(usageError)) {
				t.Errorf("%q: %v, want %s", text, err, want)
			}
		case got.commit != "":
			if "commit "+got.commit != want {
				t.Errorf("%q: commit %s, want %s", text, got.commit, want)
			}
		case got.time.Format(time.RFC3339) != want:
			t.Errorf("%q: %s, want %s", text, got.time.Format(time.RFC3339), want)
		}
	}
}

func entryAt(commit string, v ledger.Verdict, started, finished int) ledger.Entry {
	begin := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	end := begin.Add(time.Duration(finished) * time.Minute)
	e := ledger.Entry{Commit: ledger.Commit{Commit: commit}, Verdict: v, Started: begin.Add(time.Duration(started) * time.Minute)}
	if v.Final() {
		e.Finished = &end
	}
	return e
}

func TestTheLedgerSaysWhatWasLive(t *testing.T) {
	begin := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	l := &ledger.Ledger{Entries: []ledger.Entry{
		entryAt("aaaaaaa", ledger.Applied, 0, 1), entryAt("bbbbbbb", ledger.Superseded, 10, 11), entryAt("ccccccc", ledger.Failed, 20, 25),
		entryAt("ddddddd", ledger.Applied, 30, 40), entryAt("eeeeeee", ledger.Progressing, 50, 0),
	}}
	for minute, want := range map[int]string{0: "", 1: "aaaaaaa", 12: "aaaaaaa", 26: "aaaaaaa", 39: "aaaaaaa", 40: "ddddddd", 60: "ddddddd"} {
		got := ""
		if e := liveAt(l, begin.Add(time.Duration(minute)*time.Minute)); e != nil {
			got = e.Commit.Commit
		}
		if got != want {
			t.Errorf("after %d minutes: %q, want %q", minute, got, want)
		}
	}
	for commit, want := range map[string]string{"aaaaaaa": "aaaaaaa", "bbbbbbb": "ddddddd", "ddddddd": "ddddddd", "eeeeeee": "eeeeeee"} {
		if e := why.WentLive(l, commit); e == nil || e.Commit.Commit != want {
			t.Errorf("%s went live with %v, want %s", commit, e, want)
		}
	}
	if e := why.WentLive(l, "1234567"); e != nil {
		t.Errorf("a commit that the ledger does not know: %v", e)
	}
}
