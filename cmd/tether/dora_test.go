package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xetys/tether/agent/api"
	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/agent/reads"
)

// told is an agent's reader that has the history of one environment, newest first.
type told struct {
	api.Reader
	story []any
}

func (r told) History(_ context.Context, environment string, _ time.Time) ([]any, error) {
	if environment != "prod" {
		return nil, api.Missing(fmt.Errorf("this agent does not keep an environment %s", environment))
	}
	return r.story, nil
}

// A server tells enough of a ledger for the same metrics as the ledger itself.
func TestTheMetricsOfAServerAreThoseOfItsLedger(t *testing.T) {
	now := time.Now().UTC().Truncate(time.Second)
	var entries []ledger.Entry
	for i := range 150 { // more than a page
		started := now.Add(time.Duration(i-150) * 24 * time.Hour)
		ended := started.Add(time.Minute)
		e := ledger.Entry{Commit: ledger.Commit{Commit: fmt.Sprintf("%040d", i), Time: started.Add(-time.Hour)}, Verdict: ledger.Applied, Started: started, Finished: &ended,
			Releases: []ledger.Outcome{{Name: "web", Action: "upgrade", Outcome: string(ledger.Applied), Revision: i + 1}}}
		if i%10 == 0 {
			e.Verdict, e.Releases[0].Outcome = ledger.Failed, string(ledger.Failed)
		}
		entries = append(entries, e)
	}
	var story []any
	for _, e := range slices.Backward(entries) {
		story = append(story, reads.HistoryItem{Kind: "commit", Entry: &e})
	}
	story = slices.Insert(story, 3, any(reads.HistoryItem{Kind: "pause", Act: &ledger.Act{Kind: "pause", At: now}}))
	server := httptest.NewServer((&api.API{Reader: told{story: story}, Gate: api.Loopback{}, Log: slog.New(slog.DiscardHandler)}).Handler())
	defer server.Close()
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))

	for _, since := range []string{"30d", "500d", ""} {
		var out, errs bytes.Buffer
		if code := run(t.Context(), []string{"dora", "prod", "--server", server.URL, "--since", since, "-o", "json"}, &out, &errs); code != 0 {
			t.Fatalf("--since %q: %d: %s", since, code, errs.String())
		}
		var have ledger.Delivery
		if err := json.Unmarshal(out.Bytes(), &have); err != nil {
			t.Fatal(err)
		}
		from, err := parseSince(since, have.Until)
		if err != nil {
			t.Fatal(err)
		}
		want := ledger.Deliver("prod", entries, from, have.Until)
		if want.Failed == 0 || want.RecoveryTime == nil {
			t.Fatalf("the sample tells nothing: %+v", want)
		}
		if have, want := textOf(t, have), textOf(t, want); have != want {
			t.Errorf("--since %q:\n%s\nwant\n%s", since, have, want)
		}
	}
	var errs bytes.Buffer
	if code := run(t.Context(), []string{"dora", "elsewhere", "--server", server.URL}, &errs, &errs); code == 0 || !strings.Contains(errs.String(), "does not keep an environment elsewhere") {
		t.Errorf("an environment that is not there: %d, %s", code, errs.String())
	}
}

// textOf is metrics as the table shows them: rates a day depend on parts of a second.
func textOf(t *testing.T, d ledger.Delivery) string {
	t.Helper()
	var b bytes.Buffer
	if err := tableOfDelivery(&b, d); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
