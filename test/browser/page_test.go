package browser_test

import (
	"context"
	_ "embed"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

func TestPagesWorkWithoutJavaScript(t *testing.T) {
	s, many := serve(t), serve(t, "-sample", "many")
	b := open(t)
	b.do(emulation.SetScriptExecutionDisabled(true), chromedp.Navigate(s.url))
	b.do(chromedp.Click(`//h2/a[text()="production"]`, chromedp.BySearch), chromedp.WaitVisible(`#history`))
	var text, again, found string
	b.do(chromedp.Text("main", &text))
	for _, want := range []string{"rolled-back", "ImagePullBackOff", "kubectl-scale", "xuangong-backend", "Change lead time"} {
		if !strings.Contains(text, want) {
			t.Errorf("production's page does not tell %q:\n%s", want, text)
		}
	}
	b.do(chromedp.Click(`.history .sha`), chromedp.WaitVisible(`#changed`), chromedp.Text("main", &again))
	if !strings.Contains(again, "(masked)") || !strings.Contains(again, "768Mi") {
		t.Errorf("the commit's page does not tell what changed:\n%s", again)
	}
	b.do(chromedp.Navigate(s.url+production), chromedp.Click(`#r-xuangong-app a`), chromedp.WaitVisible(`#objects`), chromedp.Click(`.plain a`), chromedp.WaitVisible(`#manifest`), chromedp.Text("main", &text))
	for _, want := range []string{"app.yaml:12 image.tag", "Mei Tanaka", "git revert 0d2e118", "kubectl-scale", "***"} {
		if !strings.Contains(text, want) {
			t.Errorf("the object's page does not tell %q:\n%s", want, text)
		}
	}
	b.do(chromedp.Navigate(many.url+production), chromedp.SendKeys("#q", "service-0777"+kb.Enter), chromedp.WaitVisible(`#r-service-0777`), chromedp.Text("table.releases", &found))
	if strings.Contains(found, "service-0001") {
		t.Error("the search finds more than was searched for")
	}
}

func TestNewsComeWithoutAReload(t *testing.T) {
	s, b := serve(t), open(t)
	for _, path := range []string{"/", production} {
		b.do(chromedp.Navigate(s.url + path))
		b.until("the page listens", `document.getElementById("state").className === "on"`)
	}
	b.do(chromedp.Evaluate(`window.stays = true; document.querySelector(".history .sha").focus(); window.at = document.activeElement.getAttribute("href")`, nil))
	if _, err := io.WriteString(s.tell, "apply\n"); err != nil {
		t.Fatal(err)
	}
	b.until("the verdict changes", `document.querySelector(".environment .mark").innerText.trim() === "applied"`)
	if !eval[bool](b, `window.stays === true`) {
		t.Error("the page was loaded anew")
	}
	if !eval[bool](b, `document.activeElement.getAttribute("href") === window.at`) {
		t.Error("the focus was lost")
	}
	if said := eval[string](b, `document.querySelector("[role=status]").textContent`); said != "production: applied" {
		t.Errorf("a screen reader is told %q", said)
	}
}

// A log that somebody unfolded to read stays so when the page changes.
func TestALogThatIsReadStaysOpen(t *testing.T) {
	s, b := serve(t, "-sample", "hostile"), open(t)
	b.do(chromedp.Navigate(s.url + production))
	b.until("the page listens", `document.getElementById("state").className === "on"`)
	b.do(chromedp.Click(`.history summary`), chromedp.Evaluate(`window.old = document.getElementById("main")`, nil))
	if _, err := io.WriteString(s.tell, "apply\n"); err != nil {
		t.Fatal(err)
	}
	b.until("the page changes", `document.getElementById("main") !== window.old`)
	if !eval[bool](b, `document.querySelector(".history details").open && document.activeElement.matches("summary")`) {
		t.Error("the log is folded, or the focus lost")
	}
}

// What stands in charts, commits and pods is text; nothing of it runs, or leads elsewhere.
func TestHostileTextDoesNothing(t *testing.T) {
	s, b := serve(t, "-sample", "hostile"), open(t)
	for _, path := range []string{"/", production, commit, object, production + "?q=%22%3E%3Cscript%3Edocument.title%3D'owned'%3C/script%3E"} {
		b.do(chromedp.Navigate(s.url + path))
		if title := eval[string](b, "document.title"); title == "owned" {
			t.Errorf("%s: what came from outside ran", path)
		}
		if n := eval[int](b, `document.querySelectorAll("main img, main script").length`); n > 0 {
			t.Errorf("%s: %d elements come from outside", path, n)
		}
	}
}

func TestPeopleSignIn(t *testing.T) {
	s, b := serve(t, "-tokens"), open(t)
	b.do(chromedp.Navigate(s.url+production), chromedp.WaitVisible("#token"))
	b.do(chromedp.SendKeys("#token", "wrong"+kb.Enter), chromedp.WaitVisible("[role=alert]"))
	b.do(chromedp.SendKeys("#token", "a-token"+kb.Enter), chromedp.WaitVisible("#history"))
	if at := eval[string](b, "location.pathname"); at != production {
		t.Errorf("it goes on to %s", at)
	}
	if cookie := eval[string](b, "document.cookie"); cookie != "" {
		t.Errorf("a script reads the cookie: %s", cookie)
	}
	b.until("the page listens", `document.getElementById("state").className === "on"`)
	if _, err := io.WriteString(s.tell, "sign out\n"); err != nil {
		t.Fatal(err)
	}
	b.do(chromedp.WaitVisible("#token"))
	b.forgive("401 (Unauthorized)")
}

// The keyboard reaches all that can be done, in the order in which it stands, and shows where it is.
func TestTheKeyboardGoesThroughThePage(t *testing.T) {
	s, b := serve(t), open(t)
	for _, path := range []string{"/", production, commit, release, object} {
		b.do(chromedp.Navigate(s.url + path))
		want := eval[[]string](b, `window.all = [...document.querySelectorAll("a[href], button, input:not([type=hidden]), [tabindex='0']")]; all.map((e) => e.outerHTML.slice(0, 90))`)
		for i := range want {
			b.do(chromedp.KeyEvent(kb.Tab))
			at := eval[int](b, `all.indexOf(document.activeElement)`)
			if at != i {
				t.Errorf("%s: tab %d leads to %d, and not to %s", path, i, at, want[i])
				break
			}
			if shown := eval[string](b, `getComputedStyle(document.activeElement).outlineStyle`); shown == "none" {
				t.Errorf("%s: nothing shows that the focus is at %s", path, want[i])
			}
		}
		if len(want) < 4 || !strings.Contains(want[0], "skip") {
			t.Errorf("%s: it begins with %v", path, want[:min(len(want), 2)])
		}
	}
}

// axTree is as much of the accessibility tree as is looked at: the protocol's own type refuses
// words that a newer browser has.
type axTree struct {
	Nodes []struct {
		Ignored bool    `json:"ignored"`
		Role    axValue `json:"role"`
		Name    axValue `json:"name"`
	} `json:"nodes"`
}

type axValue struct {
	Value any `json:"value"`
}

// What can be used has a name, and the page its landmarks, for who hears it.
func TestAScreenReaderFindsItsWay(t *testing.T) {
	s, b := serve(t), open(t)
	for _, path := range []string{"/", production, commit, release, object} {
		b.do(chromedp.Navigate(s.url + path))
		var tree axTree
		b.do(chromedp.ActionFunc(func(ctx context.Context) error {
			return cdp.Execute(ctx, accessibility.CommandGetFullAXTree, nil, &tree)
		}))
		seen := map[string]int{}
		for _, n := range tree.Nodes {
			if n.Ignored {
				continue
			}
			role := fmt.Sprint(n.Role.Value)
			seen[role]++
			named := strings.TrimSpace(fmt.Sprint(n.Name.Value)) != ""
			if slices.Contains([]string{"link", "button", "textbox", "searchbox", "heading", "region", "navigation", "img", "columnheader", "rowheader"}, role) && !named {
				t.Errorf("%s: a %s has no name", path, role)
			}
		}
		shows := "table"
		if path == release {
			shows = "list"
		}
		for _, role := range []string{"main", "banner", "navigation", "heading", "status", shows} {
			if seen[role] == 0 {
				t.Errorf("%s: there is no %s: %v", path, role, seen)
			}
		}
		if levels := eval[[]int](b, `[...document.querySelectorAll("h1,h2,h3,h4")].map((h) => +h.tagName[1])`); levels[0] != 1 || slices.Contains(levels[1:], 1) {
			t.Errorf("%s: headings of levels %v", path, levels)
		}
	}
}

//go:embed contrast.js
var contrast string

func TestTextCanBeReadInDarkAndLight(t *testing.T) {
	s, tokens := serve(t), serve(t, "-tokens")
	b := open(t)
	for _, scheme := range []string{"light", "dark"} {
		b.do(emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}))
		for _, at := range []string{s.url, s.url + production, s.url + commit, s.url + object, tokens.url} {
			b.do(chromedp.Navigate(at))
			result := eval[struct {
				Texts int
				Bad   []string
			}](b, contrast)
			if result.Texts < 8 {
				t.Errorf("%s in %s has %d texts", at, scheme, result.Texts)
			}
			for _, bad := range result.Bad {
				t.Errorf("%s in %s: %s", at, scheme, bad)
			}
		}
	}
	b.forgive("401 (Unauthorized)")
}

func TestNothingIsWiderThanATelephone(t *testing.T) {
	sites := map[string]*site{}
	for _, sample := range []string{"few", "many", "hostile"} {
		sites[sample] = serve(t, "-sample", sample)
	}
	b := open(t) // it is closed before they are
	for sample, s := range sites {
		for _, width := range []int64{375, 768, 1280} {
			b.do(emulation.SetDeviceMetricsOverride(width, 812, 1, false))
			for _, path := range []string{"/", production, commit, release, object} {
				b.do(chromedp.Navigate(s.url + path))
				wide := eval[[]string](b, fmt.Sprintf(`[...document.querySelectorAll("body *")].filter((e) => !e.closest(".wide > *") && !e.closest(".unseen, .skip, .list thead, .signs") && e.getBoundingClientRect().right > %d + 0.5).map((e) => e.outerHTML.slice(0, 120))`, width))
				if scroll := eval[int64](b, "document.documentElement.scrollWidth"); scroll > width || len(wide) > 0 {
					t.Errorf("%s of %s is %d wide at %d: %v", path, sample, scroll, width, wide)
				}
			}
		}
	}
}

// With TETHER_SCREENSHOTS, pictures of the pages are put into that folder.
func TestScreenshots(t *testing.T) {
	folder := os.Getenv("TETHER_SCREENSHOTS")
	if folder == "" {
		folder = t.TempDir()
	}
	s, many := serve(t), serve(t, "-sample", "many")
	b := open(t)
	for _, shot := range []struct {
		name, url, scheme string
		width             int64
	}{
		{"overview", s.url, "light", 1180},
		{"environment", s.url + production, "light", 1180},
		{"object", s.url + object, "light", 1180},
		{"environment-dark", s.url + production, "dark", 1180},
		{"commit", s.url + commit, "light", 1180},
		{"telephone", s.url + production, "light", 375},
		{"overview-telephone", s.url, "dark", 375},
		{"many", many.url + production, "light", 1180},
	} {
		var picture []byte
		b.do(emulation.SetDeviceMetricsOverride(shot.width, 900, 1, false),
			emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: shot.scheme}}),
			chromedp.Navigate(shot.url), chromedp.FullScreenshot(&picture, 100))
		if len(picture) < 5000 {
			t.Errorf("%s is %d bytes", shot.name, len(picture))
		}
		if err := os.WriteFile(filepath.Join(folder, shot.name+".png"), picture, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
