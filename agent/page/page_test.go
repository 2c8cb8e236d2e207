package page

import (
	"bytes"
	"flag"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
	"golang.org/x/sys/unix"

	"github.com/xetys/tether/agent/api"
	"github.com/xetys/tether/test/sample"
)

var update = flag.Bool("update", false, "write the goldens anew")

func pagesOf(r *sample.Reader) *Pages {
	return &Pages{Reader: r, Gate: api.Loopback{}, Now: func() time.Time { return sample.Now }, Log: slog.New(slog.DiscardHandler)}
}

func ask(t *testing.T, h http.Handler, path string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "http://localhost"+path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

const (
	releasePath = "/environments/production/releases/xuangong-app"
	objectPath  = releasePath + "?object=Deployment.apps+xuangong-prod%2Fxuangong-app"
)

const commitPath = "/environments/production/commits/9f3c2ab41d7e0a5c6b8f1e2d3c4b5a6978879605"

// textOf is what a reader sees of a page: its main part's text, a line each block.
func textOf(t *testing.T, page string) string {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	var walk func(n *html.Node, in bool)
	walk = func(n *html.Node, in bool) {
		if n.Type == html.ElementNode {
			in = in || n.Data == "main"
			switch n.Data {
			case "section", "article", "p", "tr", "li", "h1", "h2", "h3", "div", "form", "pre", "figcaption":
				b.WriteString("\n")
			case "td", "th", "dt", "dd", "small", "a", "code", "del", "ins", "title":
				b.WriteString(" ")
			}
		}
		if n.Type == html.TextNode && in {
			b.WriteString(n.Data)
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			walk(c, in)
		}
	}
	walk(doc, false)
	var out []string
	for line := range strings.Lines(b.String()) {
		if line = strings.Join(strings.Fields(line), " "); line != "" {
			out = append(out, line)
		}
	}
	return strings.Join(out, "\n") + "\n"
}

func TestPagesReadAsTheyShould(t *testing.T) {
	h := pagesOf(sample.Few()).Handler()
	for name, path := range map[string]string{"overview": "/", "environment": "/environments/production", "commit": commitPath, "release": releasePath, "object": objectPath, "missing": "/environments/nowhere"} {
		w := ask(t, h, path)
		have := []byte(textOf(t, w.Body.String()))
		file := filepath.Join("testdata", name+".txt")
		if *update {
			if err := os.WriteFile(file, have, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(have, want) {
			t.Errorf("%s reads otherwise than %s (-update writes it anew):\n%s", path, file, have)
		}
		if wanted := map[bool]int{true: 404, false: 200}[name == "missing"]; w.Code != wanted {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

// Text from charts, commits and pods is text, wherever it stands.
func TestHostileTextStaysText(t *testing.T) {
	hostile := `<img src=x onerror=alert(1)><script>alert(1)</script>"' onload='alert(1)` + "`javascript:alert(1)"
	h := pagesOf(sample.Hostile(hostile)).Handler()
	plain := pagesOf(sample.Few()).Handler()
	for _, path := range []string{"/", "/environments/production", "/environments/production?q=%3Cscript%3E%22", commitPath, commitPath + "?release=x", objectPath} {
		w := ask(t, h, path)
		if w.Code != http.StatusOK {
			t.Fatalf("%s: %d %s", path, w.Code, w.Body)
		}
		known := elements(t, ask(t, plain, path).Body.String())
		for element := range elements(t, w.Body.String()) {
			if !known[element] && !harmless[element] {
				t.Errorf("%s: %s comes from outside", path, element)
			}
		}
		if !strings.Contains(w.Body.String(), "&lt;img src=x") {
			t.Errorf("%s: the text is not there at all", path)
		}
	}
}

func TestACommitShowsHowALogEnds(t *testing.T) {
	page := ask(t, pagesOf(sample.Hostile("panic: no route to db")).Handler(), commitPath).Body.String()
	if !strings.Contains(page, "aria-label=\"The last lines of the log\">panic: no route to db\n</pre>") {
		t.Errorf("the log is not shown:\n%s", page)
	}
}

// An environment's page has the last lines of a failure folded away, as text, and of a few
// failures alone: it is to stay small.
func TestAnEnvironmentShowsHowALogEnds(t *testing.T) {
	log := "panic: <b>no route</b> to db"
	r := sample.Hostile(log)
	one := r.Stories["production"][0]
	for range maxLogs {
		r.Stories["production"] = append(r.Stories["production"], one)
	}
	page := ask(t, pagesOf(r).Handler(), "/environments/production").Body.String()
	folded := regexp.MustCompile(`<details><summary id="(log-[^"]+)">The last lines of the log</summary><pre class="said">([^<]*)</pre></details>`)
	all := folded.FindAllStringSubmatch(page, -1)
	if len(all) != maxLogs || strings.Count(page, "<details") != maxLogs {
		t.Fatalf("%d logs are shown, not %d:\n%s", len(all), maxLogs, page)
	}
	if html.UnescapeString(all[0][2]) != log+"\n" {
		t.Errorf("the log is shown as %q", all[0])
	}
}

// harmless are elements that the plain sample has none of.
var harmless = map[string]bool{"p class": true, "small class": true, "del": true, "ins": true, "ul": true, "li": true, "code class": true, "div class": true, "span class": true, "small": true, "p": true, "a href": true, "nav aria-label class": true, "pre aria-label class": true,
	"details": true, "summary id": true, "pre class": true}

// elements are the elements of a page with the names of their attributes; links that do not
// stay here are told whole.
func elements(t *testing.T, page string) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	z := html.NewTokenizer(strings.NewReader(page))
	for {
		switch z.Next() {
		case html.ErrorToken:
			return out
		case html.StartTagToken, html.SelfClosingTagToken:
			token := z.Token()
			var names []string
			for _, a := range token.Attr {
				names = append(names, a.Key)
				local := strings.HasPrefix(a.Val, "/") && !strings.HasPrefix(a.Val, "//") || strings.HasPrefix(a.Val, "#") || strings.HasPrefix(a.Val, "?")
				if (a.Key == "href" || a.Key == "src" || a.Key == "action") && !local {
					names = append(names, a.Val)
				}
			}
			slices.Sort(names)
			out[strings.TrimSpace(token.Data+" "+strings.Join(names, " "))] = true
		}
	}
}

// The page of 1,000 releases, and of as many as there may be, stays small and quick. How
// quick is held to a floor of the same machine: to copy and to escape as much text once.
func TestAThousandReleasesAreNoBurden(t *testing.T) {
	h := pagesOf(sample.Many(1000)).Handler()
	for _, path := range []string{"/", "/environments/production", "/environments/production?page=3", "/environments/production?q=service-09"} {
		var w *httptest.ResponseRecorder
		took := time.Hour
		for range 5 {
			took = min(took, processorTime(t, func() { w = ask(t, h, path) }))
		}
		size := w.Body.Len()
		t.Logf("%s: %d bytes, %s", path, size, took)
		if w.Code != http.StatusOK || size > 300_000 || took > 200*time.Millisecond {
			t.Errorf("%s: %d, %d bytes in %s; 300,000 bytes and 200ms are the bounds", path, w.Code, size, took)
		}
	}
	if text := textOf(t, ask(t, h, "/environments/production").Body.String()); !strings.Contains(text, "service-0003") || strings.Contains(text, "service-0900") {
		t.Error("those in trouble do not come first, or all are shown at once")
	}
	if text := textOf(t, ask(t, h, "/environments/production?q=service-0900").Body.String()); !strings.Contains(text, "service-0900") {
		t.Error("what is looked for is not found")
	}
}

// processorTime is what a call takes of a processor, however many others want it.
func processorTime(t *testing.T, call func()) time.Duration {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	used := func() time.Duration {
		var u unix.Rusage
		if err := unix.Getrusage(unix.RUSAGE_THREAD, &u); err != nil {
			t.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	before := used()
	call()
	return used() - before
}

var policies = regexp.MustCompile(`(?i)<style|style=|\son\w+=|<script>|javascript:|https?://[^g]`)

func TestPagesKeepTheirOwnPolicy(t *testing.T) {
	h := pagesOf(sample.Few()).Handler()
	for _, path := range []string{"/", "/environments/production", commitPath, "/nowhere"} {
		w := ask(t, h, path)
		if found := policies.FindString(w.Body.String()); found != "" {
			t.Errorf("%s has %q, which the policy forbids", path, found)
		}
		for name, want := range map[string]string{"Content-Security-Policy": "default-src 'none'", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "X-Frame-Options": "DENY"} {
			if have := w.Header().Get(name); !strings.Contains(have, want) {
				t.Errorf("%s: %s is %q", path, name, have)
			}
		}
		for _, m := range regexp.MustCompile(`/assets/[^"]+`).FindAllString(w.Body.String(), -1) {
			if a := ask(t, h, m); a.Code != http.StatusOK || a.Body.Len() == 0 || !strings.Contains(a.Header().Get("Cache-Control"), "immutable") {
				t.Errorf("%s: %d", m, a.Code)
			}
		}
	}
}

func TestAPageThatIsNotReadYetSaysSo(t *testing.T) {
	r := sample.Few()
	r.Unread = true
	h := pagesOf(r).Handler()
	text := ask(t, h, "/environments/production").Body.String()
	if !strings.Contains(text, "are being read") || !strings.Contains(text, `http-equiv="refresh"`) {
		t.Error("it says nothing of that")
	}
}
