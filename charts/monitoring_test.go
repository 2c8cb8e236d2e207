package charts_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const runbooks = "../docs/runbooks"

// alert is a rule of a PrometheusRule, as it is rendered.
type alert map[string]any

func (a alert) text(fields ...string) string {
	out, _, _ := unstructured.NestedString(a, fields...) // what is no text is missing
	return out
}

// alerts are those that the charts can render.
func alerts(t *testing.T) map[string]alert {
	t.Helper()
	w := newWorkspace(t)
	out := map[string]alert{}
	for name, i := range installations {
		if !strings.Contains(name, "observed") {
			continue
		}
		for _, o := range w.render(t, i) {
			if o.GetKind() != "PrometheusRule" {
				continue
			}
			groups, _, err := unstructured.NestedSlice(o.Object, "spec", "groups")
			if err != nil {
				t.Fatal(err)
			}
			for _, g := range groups {
				rules, _, err := unstructured.NestedSlice(g.(map[string]any), "rules")
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range rules {
					a := alert(r.(map[string]any))
					out[o.GetName()+" "+a.text("alert")] = a
				}
			}
		}
	}
	return out
}

var placeholder = regexp.MustCompile(`<[a-z]+>|RUNBOOKS|\bnil\b`)

// Who is woken by an alert finds what it means and what to do.
func TestEachAlertLeadsToARunbook(t *testing.T) {
	found := alerts(t)
	if len(found) < 15 {
		t.Errorf("only %d alerts are rendered", len(found))
	}
	for name, a := range found {
		if !slices.Contains([]string{"critical", "warning", "info"}, a.text("labels", "severity")) {
			t.Errorf("%s: severity %q", name, a.text("labels", "severity"))
		}
		for _, field := range []string{"summary", "description"} {
			if text := a.text("annotations", field); text == "" || placeholder.MatchString(text) {
				t.Errorf("%s: %s %q", name, field, text)
			}
		}
		page := filepath.Base(a.text("annotations", "runbook_url"))
		if _, err := os.Stat(filepath.Join(runbooks, page)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"tether TetherErrorBudget"} {
		if found[name] != nil {
			t.Errorf("%s is rendered, though it is disabled", name)
		}
	}
	if after := found["tether TetherBehind"].text("for"); after != "30m" {
		t.Errorf("TetherBehind is for %q: what overrides it is left out", after)
	}
}

var link = regexp.MustCompile(`\]\(([a-z-]+\.md)(#[^)]*)?\)`)

// Each runbook is listed, and what runbooks link to is there.
func TestRunbooksAreFound(t *testing.T) {
	pages, err := filepath.Glob(filepath.Join(runbooks, "*.md"))
	if err != nil || len(pages) < 20 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	var listed []string
	for _, page := range pages {
		raw, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(raw), -1) {
			if _, err := os.Stat(filepath.Join(runbooks, m[1])); err != nil {
				t.Errorf("%s: %v", page, err)
			}
			if filepath.Base(page) == "README.md" {
				listed = append(listed, m[1])
			}
		}
	}
	for _, page := range pages {
		if name := filepath.Base(page); name != "README.md" && !slices.Contains(listed, name) {
			t.Errorf("%s is not listed in README.md", name)
		}
	}
}

// Without the operator's kinds nothing of them is rendered: the API server would refuse all.
func TestKindsOfOperatorsComeOnlyWhereTheyAreKnown(t *testing.T) {
	w := newWorkspace(t)
	for _, i := range production {
		for _, o := range w.render(t, i) {
			if strings.HasPrefix(o.GetAPIVersion(), "monitoring.coreos.com/") {
				t.Errorf("%s %s is rendered without its API", o.GetKind(), o.GetName())
			}
		}
	}
}
