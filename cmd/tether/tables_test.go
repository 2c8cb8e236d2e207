package main

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/agent/status"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 123456789, time.UTC)

func printed(t *testing.T, table func(io.Writer) error) string {
	t.Helper()
	var out bytes.Buffer
	if err := table(&out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func same(t *testing.T, have, want string) {
	t.Helper()
	trim := func(text string) string {
		var lines []string
		for line := range strings.Lines(strings.TrimSpace(text)) {
			lines = append(lines, strings.TrimRight(line, " \n"))
		}
		return strings.Join(lines, "\n")
	}
	if trim(have) != trim(want) {
		t.Errorf("it prints\n%s\nwant\n%s", have, want)
	}
}

func TestAllEnvironmentsAreALineEach(t *testing.T) {
	alive := status.Leader{Alive: true, Identity: "a"}
	head := &ledger.Commit{Commit: strings.Repeat("a", 40)}
	all := []status.Summary{
		{Overview: status.Overview{Environment: "dev", Head: head, Applied: head, Verdict: ledger.Applied, Agent: alive}, Releases: 3, Unhealthy: 1, Drifted: 2},
		{Overview: status.Overview{Environment: "prod", Head: head, Verdict: ledger.Held, Reason: "web: paused by\nann", BehindSince: noon, Agent: status.Leader{Identity: "b", Renewed: noon.Truncate(time.Second)},
			Paused: &status.Paused{Until: noon.Add(time.Hour)}, Windows: &status.Windows{Changes: noon.Add(2 * time.Hour)}}},
		{Overview: status.Overview{Environment: "stage", Agent: status.Leader{}, Windows: &status.Windows{Open: true, Changes: noon}}},
	}
	same(t, printed(t, func(w io.Writer) error { return tableOfSummaries(w, all) }), `
! no agent leads prod: b last renewed its Lease at 2026-11-24T12:00:00Z
! no agent leads stage: what follows is as the last one left it
ENVIRONMENT  HEAD     APPLIED  VERDICT  BEHIND SINCE          PAUSED UNTIL          DRIFT      DEPLOYS                          WHY
dev          aaaaaaa  aaaaaaa  applied  -                     -                     2 objects  any time                         1 of 3 releases not healthy
prod         aaaaaaa  -        held     2026-11-24T12:00:00Z  2026-11-24T13:00:00Z  -          from 2026-11-24T14:00:00Z        web: paused by ann
stage        -        -        -        -                     -                     -          now, until 2026-11-24T12:00:00Z  -
`)
}

func TestTheStatusOfAnEnvironment(t *testing.T) {
	st := &status.Status{Overview: status.Overview{Environment: "prod", Repository: "https://example.com/config", Branch: "main", Verdict: ledger.Held, Reason: "web: paused",
		Head: &ledger.Commit{Commit: strings.Repeat("b", 40), Subject: "Second", Author: "Ann"}, Applied: &ledger.Commit{Commit: strings.Repeat("a", 40), Subject: "First"},
		SecondsBehind: 90, BehindSince: noon, Windows: &status.Windows{Changes: noon}, Agent: status.Leader{Never: true}},
		Releases: []status.ReleaseStatus{{Name: "web", Chart: "web", ChartVersion: "1.0.0", Images: []string{"example.com/web:v1"}, Revision: 2,
			Commit: strings.Repeat("a", 40), Status: "deployed", Healthy: true, BehindSince: noon}}}
	same(t, printed(t, func(w io.Writer) error { return tableOfStatus(w, st) }), `
! no agent has led prod in this cluster yet
environment prod of https://example.com/config, branch main
head        bbbbbbb Second (Ann): held: web: paused
applied     aaaaaaa First; behind git for 1m30s, since 2026-11-24T12:00:00Z
deploys     from 2026-11-24T12:00:00Z

RELEASE  CHART      VERSION  REVISION  COMMIT   BEHIND SINCE          STATUS    HEALTH
web      web-1.0.0  v1       2         aaaaaaa  2026-11-24T12:00:00Z  deployed  healthy
image: web: example.com/web:v1
`)
}

func story() (*ledger.Ledger, ledger.Control) {
	end := noon.Add(12 * time.Second)
	a, b := strings.Repeat("a", 40), strings.Repeat("b", 40)
	l := &ledger.Ledger{Entries: []ledger.Entry{
		{Commit: ledger.Commit{Commit: a, Subject: "Bump web", Author: "Ann <ann@example.com>"}, Started: noon, Finished: &end, Verdict: ledger.Failed, Reason: "web: it crashes"},
		{Commit: ledger.Commit{Commit: b, Subject: "Revert", Author: "Ben"}, Started: noon.Add(time.Hour), Verdict: ledger.Progressing,
			Releases: []ledger.Outcome{{Name: "web", Action: "rollback", Outcome: "applied", Undoes: []string{a}}}},
	}}
	l.AddAct(ledger.Act{Kind: ledger.Repaired, At: noon.Add(2 * time.Hour), Release: "web", Reason: "ConfigMap x/web: deleted"})
	l.AddAct(ledger.Act{Kind: ledger.Repaired, At: noon.Add(3 * time.Hour), Release: "web", Reason: "ConfigMap x/web: deleted"})
	return l, ledger.Control{Acts: []ledger.Act{{Kind: ledger.Paused, At: noon.Add(time.Minute).Truncate(time.Second), By: "ann@host", Reason: "incident", Until: noon.Add(time.Hour).Truncate(time.Second)}}}
}

func TestHistoryTellsCommitsAndWhatWasDoneWithoutOne(t *testing.T) {
	l, c := story()
	all := l.History(c, time.Time{}, 0)
	same(t, printed(t, func(w io.Writer) error { return historyTable(w, all, l) }), `
COMMIT   STARTED               TOOK  VERDICT      AUTHOR    SUBJECT                                    RELEASES
-        2026-11-24T14:00:00Z  -     repair       -         2 times, the last at 2026-11-24T15:00:00Z  web
         ConfigMap x/web: deleted
bbbbbbb  2026-11-24T13:00:00Z  -     progressing  Ben       Revert                                     web: rollback applied
         web: undid aaaaaaa (Bump web)
-        2026-11-24T12:01:00Z  -     pause        ann@host  until 2026-11-24T13:00:00Z
         incident
aaaaaaa  2026-11-24T12:00:00Z  12s   failed       Ann       Bump web
         web: it crashes
`)
}

// What other programs read: one object a commit as ever, with what was done after it.
func TestHistoryAsJSON(t *testing.T) {
	l, c := story()
	all := l.History(c, time.Time{}, 0)
	entries := withActs(all)
	if len(entries) != 2 || len(entries[0].Acts) != 1 || entries[0].Acts[0].Times != 2 || len(entries[1].Acts) != 1 {
		t.Errorf("%+v", entries)
	}
	var out bytes.Buffer
	if err := export(&out, "prod", all); err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for line := range strings.Lines(out.String()) {
		var one struct{ Kind, Environment, Started, At, Commit, Verdict string }
		if err := json.Unmarshal([]byte(line), &one); err != nil || one.Environment != "prod" || strings.Contains(one.Started+one.At, ".") {
			t.Errorf("%v: %s", err, line)
		}
		kinds = append(kinds, one.Kind+one.Verdict)
	}
	if have := strings.Join(kinds, " "); have != "repair commitprogressing pause commitfailed" {
		t.Error(have)
	}
}

func TestSince(t *testing.T) {
	for text, want := range map[string]string{
		"": "0001-01-01T00:00:00Z", "24h": "2026-11-23T12:00:00Z", "30d": "2026-10-25T12:00:00Z", "2026-01-31": "2026-01-31T00:00:00Z", "2026-01-31T09:00:00+01:00": "2026-01-31T08:00:00Z",
	} {
		if at, err := parseSince(text, noon); err != nil || at.UTC().Format(time.RFC3339) != want {
			t.Errorf("%q: %s, %v; want %s", text, at, err, want)
		}
	}
	for _, text := range []string{"yesterday", "-1h", "0d", "-3d", "d", "2026-13-01"} {
		if _, err := parseSince(text, noon); exitCode(err) != exitUsage {
			t.Errorf("%q: %v", text, err)
		}
	}
}
