// Package browser_test looks at the status page with a real browser, as people do.
package browser_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

var (
	server  string // the binary of test/pages
	browser context.Context
)

const (
	production = "/environments/production"
	commit     = production + "/commits/9f3c2ab41d7e0a5c6b8f1e2d3c4b5a6978879605"
	release    = production + "/releases/xuangong-app"
	object     = release + "?object=Deployment.apps+xuangong-prod%2Fxuangong-app"
)

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(code)
}

func run(m *testing.M) (int, error) {
	program := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if at, err := exec.LookPath(name); err == nil {
			program = at
			break
		}
	}
	if program == "" {
		return 0, fmt.Errorf("no chromium on the PATH: install Debian's package with apt-get install chromium (make browser does, as root)")
	}
	dir, err := os.MkdirTemp("", "tether-browser-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	server = filepath.Join(dir, "pages")
	build := exec.Command("go", "build", "-o", server, "./test/pages")
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("build test/pages: %w\n%s", err, out)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("font-render-hinting", "none"), chromedp.WSURLReadTimeout(2*time.Minute))
	allocator, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	defer cancel()
	var stop context.CancelFunc
	browser, stop = chromedp.NewContext(allocator)
	defer stop()
	if err := chromedp.Run(browser); err != nil {
		return 0, fmt.Errorf("start %s: %w", program, err)
	}
	return m.Run(), nil
}

// site is a server of test/pages.
type site struct {
	url  string
	tell io.Writer // takes what it is to do
}

func serve(t *testing.T, args ...string) *site {
	t.Helper()
	cmd := exec.Command(server, args...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close() // it ends with its input
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return &site{strings.TrimSpace(line), in}
}

// tab is one tab of the browser, and what it complained of.
type tab struct {
	*testing.T
	ctx context.Context

	mu       sync.Mutex
	troubles []string
}

// open opens a tab, without cookies. What goes wrong in it fails the test.
func open(t *testing.T) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser)
	ctx, stop := context.WithTimeout(ctx, 2*time.Minute)
	one := &tab{T: t, ctx: ctx}
	chromedp.ListenTarget(ctx, one.hear)
	one.do(log.Enable(), network.Enable(), network.ClearBrowserCookies(), runtime.Enable())
	t.Cleanup(func() {
		one.mu.Lock()
		for _, text := range one.troubles {
			t.Errorf("the browser says: %s", text)
		}
		one.mu.Unlock()
		stop()
		cancel()
	})
	return one
}

// hear takes note of errors, of what the policy kept out, and of requests to others.
func (b *tab) hear(event any) {
	text := ""
	switch e := event.(type) {
	case *log.EventEntryAdded:
		if e.Entry.Level == log.LevelError || e.Entry.Level == log.LevelWarning {
			text = fmt.Sprintf("%s: %s (%s)", e.Entry.Source, e.Entry.Text, e.Entry.URL)
		}
	case *runtime.EventExceptionThrown:
		text = e.ExceptionDetails.Error()
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.APITypeError || e.Type == runtime.APITypeWarning || e.Type == runtime.APITypeAssert {
			text = fmt.Sprintf("console: %v", e.Args)
		}
	case *network.EventRequestWillBeSent:
		if at := e.Request.URL; !strings.HasPrefix(at, "http://127.0.0.1:") && !strings.HasPrefix(at, "about:") && !strings.HasPrefix(at, "data:") {
			text = "it asks " + at
		}
	}
	if text != "" {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.troubles = append(b.troubles, text)
	}
}

// forgive drops what was complained of that has a text in it: a page that is refused is an
// error to the browser.
func (b *tab) forgive(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var left []string
	for _, one := range b.troubles {
		if !strings.Contains(one, text) {
			left = append(left, one)
		}
	}
	b.troubles = left
}

func (b *tab) do(actions ...chromedp.Action) {
	b.Helper()
	if err := chromedp.Run(b.ctx, actions...); err != nil {
		b.Fatal(err)
	}
}

// eval is what a script says.
func eval[T any](b *tab, script string) T {
	b.Helper()
	var out T
	b.do(chromedp.Evaluate(script, &out))
	return out
}

// until waits until a script says true.
func (b *tab) until(what, script string) {
	b.Helper()
	err := chromedp.Run(b.ctx, chromedp.Poll(script, nil, chromedp.WithPollingInterval(50*time.Millisecond), chromedp.WithPollingTimeout(30*time.Second)))
	if err != nil {
		b.Fatalf("%s: %v; the page reads\n%s", what, err, eval[string](b, "document.body.innerText"))
	}
}
