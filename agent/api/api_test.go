package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/xetys/tether/docs"
)

// The description names what is answered, and nothing else.
func TestTheDescriptionNamesAllThatIsAnswered(t *testing.T) {
	var described struct {
		Paths map[string]map[string]any `json:"paths"`
	}
	if err := yaml.UnmarshalStrict(docs.OpenAPI, &described); err != nil && len(described.Paths) == 0 {
		t.Fatal(err)
	}
	for _, path := range Paths() {
		if _, ok := described.Paths[path]["get"]; !ok {
			t.Errorf("docs/openapi.yaml has no GET %s", path)
		}
		delete(described.Paths, path)
	}
	for path := range described.Paths {
		t.Errorf("docs/openapi.yaml has %s, which is not answered", path)
	}
}

// three is a Reader of three environments, of which one can't be read.
type three struct{ Reader }

func (three) Environments(context.Context) ([]any, error) { return []any{"a", "b", "c"}, nil }

func (three) Status(_ context.Context, environment string) (any, error) {
	switch environment {
	case "a":
		return map[string]string{"environment": "a"}, nil
	case "b":
		return nil, errors.New("password hunter2 is wrong")
	}
	return nil, Missing(errors.New("no such environment"))
}

func (three) Follow(ctx context.Context, _ string, tell func(any)) error {
	tell(1)
	tell(2)
	<-ctx.Done()
	return nil
}

func served(t *testing.T, gate Gate) *httptest.Server {
	a := &API{Reader: three{}, Gate: gate, OpenAPI: docs.OpenAPI, Log: slog.New(slog.DiscardHandler)}
	s := httptest.NewServer(a.Handler())
	t.Cleanup(s.Close)
	return s
}

func get(t *testing.T, url string, header ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			req.Host = header[i+1]
		}
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var text strings.Builder
	if _, err := text.WriteString(string(read(t, resp))); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, strings.TrimSpace(text.String())
}

func read(t *testing.T, resp *http.Response) []byte {
	t.Helper()
	buf := make([]byte, 4096)
	n, _ := resp.Body.Read(buf)
	return buf[:n]
}

func TestWhatIsAnswered(t *testing.T) {
	at := served(t, Loopback{}).URL
	for sentence, c := range map[string]struct {
		path, want string
		header     []string
		status     int
	}{
		"a list has its length":                       {"environments", `{"items":["a","b","c"],"total":3}`, nil, 200},
		"a page says where the next one begins":       {"environments?limit=2", `{"items":["a","b"],"total":3,"continue":"1"}`, nil, 200},
		"the last page says no more":                  {"environments?limit=2&continue=1", `{"items":["c"],"total":3}`, nil, 200},
		"a page that is no number is refused":         {"environments?limit=x", `{"error":"limit \"x\": use a number from 1 on"}`, nil, 400},
		"what is there":                               {"environments/a", `{"environment":"a"}`, nil, 200},
		"what is not there is told so":                {"environments/c", `{"error":"no such environment"}`, nil, 404},
		"why it can't be read is for the log":         {"environments/b", `{"error":"it can't be read now: the agent's log says why; try again"}`, nil, 503},
		"a commit needs seven characters":             {"environments/a/commits/abc", `{"error":"commit \"abc\": give seven characters of it at least"}`, nil, 400},
		"a revision is a number":                      {"environments/a/releases/web/diff?from=1&to=x", `{"error":"to \"x\": name a revision of the release, 1 or more"}`, nil, 400},
		"a page of somebody's is kept out":            {"environments/a", "web page", []string{"Origin", "https://example.com"}, 403},
		"a name that leads to this machine is no key": {"environments/a", "localhost", []string{"Host", "evil.example.com"}, 403},
		"what is not there has a way on":              {"else", "openapi.yaml says what there is", nil, 404},
	} {
		status, text := get(t, at+Prefix+c.path, c.header...)
		if status != c.status || !strings.Contains(text, c.want) {
			t.Errorf("%s: %d %s; want %d %s", sentence, status, text, c.status, c.want)
		}
	}
}

func TestEventsComeAsTheyHappen(t *testing.T) {
	resp, err := http.Get(served(t, Loopback{}).URL + Prefix + "environments/a/events")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got := ""
	for !strings.Contains(got, "data: 2") {
		more := read(t, resp)
		if len(more) == 0 {
			break
		}
		got += string(more)
	}
	if want := "event: commit\ndata: 1\n\nevent: commit\ndata: 2\n\n"; got != want || resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("%q of type %s; want %q", got, resp.Header.Get("Content-Type"), want)
	}
}

// Strangers do not fill the log: who hangs up is not told of, and what keeps all from being
// told apart is told once.
func TestStrangersDoNotFillTheLog(t *testing.T) {
	var log strings.Builder
	gate := NewTokens(func(ctx context.Context, _, _ string) (string, bool, error) { return "", false, errors.New("away") }, time.Now)
	h := (&API{Reader: three{}, Gate: gate, Log: slog.New(slog.NewTextHandler(&log, nil))}).Handler()
	ask := func(ctx context.Context) {
		req := httptest.NewRequestWithContext(ctx, http.MethodGet, Prefix+"environments/a", nil)
		req.Header.Set("Authorization", "Bearer nobody's")
		h.ServeHTTP(httptest.NewRecorder(), req)
	}
	gone, hangUp := context.WithCancel(context.Background())
	hangUp()
	for range 10 {
		ask(gone)
	}
	if log.Len() > 0 {
		t.Errorf("who hung up is told of: %s", log.String())
	}
	for range 10 {
		ask(context.Background())
	}
	if n := strings.Count(log.String(), "\n"); n != 1 {
		t.Errorf("%d lines: %s", n, log.String())
	}
}

// told is a Reader of one environment, whose events a test sends.
type told struct {
	Reader
	events chan any
}

func (e told) Follow(ctx context.Context, _ string, tell func(any)) error {
	for {
		select {
		case v := <-e.events:
			tell(v)
		case <-ctx.Done():
			return nil
		}
	}
}

// Who may not read any more is told nothing more by a stream that is open.
func TestAStreamEndsWithTheRightToReadIt(t *testing.T) {
	var may atomic.Bool
	may.Store(true)
	var clock atomic.Int64
	gate := NewTokens(func(context.Context, string, string) (string, bool, error) { return "reader", may.Load(), nil },
		func() time.Time { return time.Unix(clock.Load(), 0) })
	reader := told{events: make(chan any, 1)}
	s := httptest.NewServer((&API{Reader: reader, Gate: gate, Log: slog.New(slog.DiscardHandler)}).Handler())
	defer s.Close()
	req, err := http.NewRequest(http.MethodGet, s.URL+Prefix+"environments/a/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer reader")
	reader.events <- 1
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got := string(read(t, resp)); !strings.Contains(got, "data: 1") {
		t.Fatalf("the first event is %q", got)
	}
	may.Store(false)
	clock.Add(int64(keptFor / time.Second))
	reader.events <- 2
	if got := string(read(t, resp)); got != "" {
		t.Errorf("who may not read any more is told %q", got)
	}
}

func TestOnlyWhoMayReadIsLetThrough(t *testing.T) {
	now, asked := time.Unix(0, 0), 0
	gate := NewTokens(func(_ context.Context, token, environment string) (string, bool, error) {
		asked++
		switch token {
		case "reader":
			return token, environment == "a", nil
		case "away":
			return "", false, errors.New("the API server is away")
		}
		return "", false, nil
	}, func() time.Time { return now })
	at := served(t, gate).URL + Prefix
	for _, c := range []struct {
		sentence, path, authorization string
		status, asks                  int
	}{
		{"without a token nobody is asked", "environments/a", "", 401, 0},
		{"a password is no token", "environments/a", "Basic abc", 401, 0},
		{"a token of nobody's", "environments/a", "Bearer else", 401, 1},
		{"what is known of it is kept", "environments/a", "Bearer else", 401, 1},
		{"a token may read what RBAC lets it", "environments/a", "Bearer reader", 200, 2},
		{"what is known of that is kept too", "environments/a", "Bearer reader", 200, 2},
		{"and nothing else", "environments/b", "Bearer reader", 403, 3},
		{"not the list either", "environments", "Bearer reader", 403, 4},
		{"while nobody can be asked nothing is shown", "environments/a", "Bearer away", 503, 5},
		{"which is not kept", "environments/a", "Bearer away", 503, 6},
		{"a token of megabytes is none", "environments/a", "Bearer " + strings.Repeat("x", 1<<15), 431, 6},
		{"the description is for all", "openapi.yaml", "", 200, 6},
	} {
		status, _ := get(t, at+c.path, "Authorization", c.authorization)
		if c.status == 431 && status == 401 { // the agent's server refuses such headers sooner
			status = 431
		}
		if status != c.status || asked != c.asks {
			t.Errorf("%s: %d after %d questions; want %d after %d", c.sentence, status, asked, c.status, c.asks)
		}
	}
	now = now.Add(keptFor)
	if status, _ := get(t, at+"environments/a", "Authorization", "Bearer reader"); status != 200 || asked != 7 {
		t.Errorf("after %s it is not asked again: %d, %d questions", keptFor, status, asked)
	}
}

func TestAddressesOfThisMachine(t *testing.T) {
	var have []string
	for _, a := range []string{"127.0.0.1:8080", "[::1]:80", "localhost:1", ":8080", "0.0.0.0:80", "10.0.0.1:80", "localhost.example.com:80", "127.0.0.1"} {
		if IsLoopback(a) {
			have = append(have, a)
		}
	}
	if want := []string{"127.0.0.1:8080", "[::1]:80", "localhost:1"}; !slices.Equal(have, want) {
		t.Errorf("%v; want %v", have, want)
	}
}

// held is a Reader in whose environment nothing happens.
type held struct {
	Reader
	began chan bool
}

func (h held) Follow(ctx context.Context, _ string, _ func(any)) error {
	h.began <- true
	<-ctx.Done()
	return nil
}

// One reader, with however many tokens, leaves streams to the others.
func TestOneReaderDoesNotHoldAllStreams(t *testing.T) {
	gate := NewTokens(func(_ context.Context, token, _ string) (string, bool, error) {
		who, _, _ := strings.Cut(token, "-")
		return who, true, nil
	}, time.Now)
	reader := held{began: make(chan bool)}
	h := (&API{Reader: reader, Gate: gate, Log: slog.New(slog.DiscardHandler)}).Handler()
	ctx, cancel := context.WithCancel(t.Context())
	var open sync.WaitGroup
	defer open.Wait()
	defer cancel()
	begin := func(token string) (refused string) {
		req := httptest.NewRequestWithContext(ctx, http.MethodGet, Prefix+"environments/a/events", nil)
		req.Header.Set("Authorization", "Bearer "+token)
		w, answered := httptest.NewRecorder(), make(chan bool)
		open.Go(func() {
			defer close(answered)
			h.ServeHTTP(w, req)
		})
		select {
		case <-answered:
			return fmt.Sprint(w.Code, w.Body)
		case <-reader.began:
			return ""
		}
	}
	for i := range maxOfAReader {
		if why := begin(fmt.Sprintf("ann-%d", i)); why != "" {
			t.Fatalf("stream %d: %s", i, why)
		}
	}
	if why := begin("ann-more"); !strings.Contains(why, "503") || !strings.Contains(why, "8 streams of ann are open") {
		t.Errorf("one more: %q", why)
	}
	if why := begin("bob"); why != "" {
		t.Errorf("somebody else: %s", why)
	}
}

// What ended is open no more, of a reader and of all.
func TestStreamsAreCounted(t *testing.T) {
	var s Streams
	var ends []func()
	for i := range maxStreams {
		end, why := s.Begin(fmt.Sprint(i / maxOfAReader))
		if end == nil {
			t.Fatal(why)
		}
		ends = append(ends, end)
	}
	if end, why := s.Begin("x"); end != nil || !strings.Contains(why, "32 streams are open") {
		t.Errorf("one more: %s", why)
	}
	ends[0]()
	if end, why := s.Begin("1"); end != nil || !strings.Contains(why, "8 streams of 1 are open") {
		t.Errorf("one more of a reader: %s", why)
	}
	if end, _ := s.Begin("0"); end == nil {
		t.Error("what ended is still open")
	}
}
