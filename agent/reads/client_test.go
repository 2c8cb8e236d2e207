package reads

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xetys/tether/agent/ledger"
)

// far is an agent's read API that answers from a table, by path and query.
type far struct {
	*httptest.Server
	answers map[string]string
	asked   []string
	token   string // that was sent last
}

func newFar(t *testing.T, answers map[string]string) (*far, *Client) {
	t.Helper()
	f := &far{answers: answers}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.asked = append(f.asked, r.URL.RequestURI())
		f.token = r.Header.Get("Authorization")
		text, ok := f.answers[r.URL.RequestURI()]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			text = `{"error": "there is no such thing"}`
		}
		fmt.Fprint(w, text)
	}))
	t.Cleanup(f.Close)
	c, err := Ask(f.URL, "")
	if err != nil {
		t.Fatal(err)
	}
	return f, c
}

// A token is sent over https alone, or to the machine itself.
func TestWhereATokenIsSent(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for address, want := range map[string]string{
		"https://tether.example.com":        "",
		"http://localhost:8080":             "",
		"http://127.0.0.1":                  "",
		"http://tether.example.com":         "whoever is on the way would read the token",
		"http://10.0.0.7:8080":              "whoever is on the way would read the token",
		"tether.example.com":                "use http:// or https://",
		"https://ann:secret@tether.example": "use http:// or https://",
		"ftp://tether.example.com":          "use http:// or https://",
	} {
		write("a-token\n")
		if _, err := Ask(address, file); want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v", address, err)
		}
	}
	for _, text := range []string{"", "\n", "two\nlines"} {
		write(text)
		if _, err := Ask("https://tether.example.com", file); err == nil || !strings.Contains(err.Error(), "no token in one line") {
			t.Errorf("%q: %v", text, err)
		}
	}
	write("a-token\n")
	f, _ := newFar(t, map[string]string{"/api/v1/environments": `{"items": []}`})
	c, err := Ask(f.URL, file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Summaries(t.Context()); err != nil || f.token != "Bearer a-token" {
		t.Errorf("it is sent %q, %v", f.token, err)
	}
}

// A list that comes in pages is read to its end, and names are escaped.
func TestAListIsReadToItsEnd(t *testing.T) {
	f, c := newFar(t, map[string]string{
		"/api/v1/environments/a%2Fb/releases/web/revisions":            `{"items": [{"revision": 3}, {"revision": 2}], "continue": "2"}`,
		"/api/v1/environments/a%2Fb/releases/web/revisions?continue=2": `{"items": [{"revision": 1}]}`,
	})
	all, err := c.Revisions(t.Context(), "a/b", "web")
	if err != nil || len(all) != 3 || all[2].Revision != 1 {
		t.Errorf("%v, %v (asked %q)", all, err, f.asked)
	}
}

// A history is turned into a ledger again, oldest first.
func TestAHistoryIsALedger(t *testing.T) {
	since := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	_, c := newFar(t, map[string]string{"/api/v1/environments/prod/history?since=2026-11-01T00%3A00%3A00Z": `{"items": [
		{"kind": "commit", "commit": "bbbbbbb", "verdict": "applied"},
		{"kind": "pause", "act": {"kind": "pause", "by": "ann"}},
		{"kind": "commit", "commit": "aaaaaaa", "verdict": "failed"}]}`})
	l, err := c.Ledger(t.Context(), "prod", since)
	if err != nil {
		t.Fatal(err)
	}
	var commits []string
	for _, e := range l.Entries {
		commits = append(commits, e.Commit.Commit)
	}
	if !slices.Equal(commits, []string{"aaaaaaa", "bbbbbbb"}) || len(l.Acts) != 1 || l.Acts[0].By != "ann" {
		t.Errorf("%v, %v", commits, l.Acts)
	}
}

// What a server says in place of an answer is an error that names the server, and its words.
func TestWhatAServerSaysInPlaceOfAnAnswer(t *testing.T) {
	f, c := newFar(t, map[string]string{"/api/v1/environments/prod": "<html>", "/api/v1/environments": `{"items": [`})
	for path, want := range map[string]string{"prod": "its answer can't be read", "other": "there is no such thing"} {
		if _, err := c.Status(t.Context(), path); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), f.URL) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := c.Summaries(t.Context()); err == nil || !strings.Contains(err.Error(), "is --server the agent's address?") {
		t.Errorf("%v", err)
	}
	elsewhere := httptest.NewServer(http.RedirectHandler("https://example.com/", http.StatusFound))
	defer elsewhere.Close()
	c, err := Ask(elsewhere.URL, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Summaries(t.Context()); err == nil || !strings.Contains(err.Error(), "302 Found") {
		t.Errorf("a redirect is followed: %v", err)
	}
}

// A commit is waited for until its verdict is final; a refusal ends it, an error of the server
// does not.
func TestAVerdictIsWaitedFor(t *testing.T) {
	entry := func(v ledger.Verdict) string {
		raw, err := json.Marshal(ledger.Entry{Commit: ledger.Commit{Commit: "abcdef0"}, Verdict: v})
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	for sentence, c := range map[string]struct {
		code   int
		answer string
		want   string // a verdict, or an error
	}{
		"a final verdict is returned":     {http.StatusOK, entry(ledger.RolledBack), "rolled-back"},
		"one that is not is waited for":   {http.StatusOK, entry(ledger.Held), "context deadline exceeded, told held"},
		"so is one that is not seen yet":  {http.StatusNotFound, `{"error": "not seen"}`, "context deadline exceeded, told nothing"},
		"and a server that is in trouble": {http.StatusServiceUnavailable, `{"error": "away"}`, "context deadline exceeded"},
		"who may not read is told so":     {http.StatusForbidden, `{"error": "you may not"}`, "you may not"},
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(c.code)
				fmt.Fprint(w, c.answer)
			}))
			defer s.Close()
			client, err := Ask(s.URL, "")
			if err != nil {
				t.Fatal(err)
			}
			told := ""
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			e, err := client.Wait(ctx, "prod", "abcdef0", func(e *ledger.Entry) {
				if told = ", told nothing"; e != nil {
					told = ", told " + string(e.Verdict)
				}
			})
			have := ""
			switch {
			case errors.Is(err, context.DeadlineExceeded):
				have = err.Error() + told
			case err != nil:
				have = err.Error()
			default:
				have = string(e.Verdict)
			}
			if !strings.HasSuffix(have, c.want) {
				t.Errorf("%s", have)
			}
		})
	}
}
