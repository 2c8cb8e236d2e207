package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/xetys/tether/agent/assess"
	"github.com/xetys/tether/apply/plan"
)

var update = flag.Bool("update", false, "rewrite the goldens")

// golden compares a text with a file in testdata.
func golden(t *testing.T, name, have string) {
	t.Helper()
	file := "testdata/" + name
	if *update {
		if err := os.WriteFile(file, []byte(have), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if have != string(want) {
		t.Errorf("it is\n%s\nand %s is\n%s", have, file, want)
	}
}

// pull is what a pull request changes in three environments.
func pull() []*assess.Difference {
	from, to := strings.Repeat("a", 40), strings.Repeat("b", 40)
	web := assess.ReleaseDifference{Name: "web", Namespace: "prod", Action: "upgrade", Reason: "its inputs changed",
		Images: []assess.ImageDifference{{Image: "example.com/shop/web", From: "v1", To: "v2"}},
		Risks:  []plan.Risk{{Kind: plan.RiskHook, Object: "Job.batch prod/migrate", Text: "runs as pre-upgrade hook"}, {Kind: plan.RiskDelete, Object: "ConfigMap prod/old", Text: "is deleted"}},
		Objects: []assess.ObjectDifference{
			{Object: "Deployment.apps prod/web", Action: "update", Fields: []assess.FieldDifference{{Path: "spec.template.spec.containers[name=web].image", From: `"example.com/shop/web:v1"`, To: `"example.com/shop/web:v2"`}}},
			{Object: "ConfigMap prod/new", Action: "create"},
			{Object: "ConfigMap prod/old", Action: "delete"},
		}}
	return []*assess.Difference{
		{Environment: "dev", From: from, To: to, Base: "origin/main"},
		{Environment: "prod", From: from, To: to, Base: "origin/main", Releases: []assess.ReleaseDifference{web}, Unread: []string{"secrets.sops.yaml is encrypted and its key is not here: its values are left out"}},
		{Environment: "stage", From: from, To: to, Base: "origin/main", Refusals: []string{"environments/stage/web.yaml:3: release web: tag is missing"}},
	}
}

func TestADifferenceForAPullRequest(t *testing.T) {
	golden(t, "diff.md", markdownOf(pull()))
}

func TestADifferenceForATerminal(t *testing.T) {
	var b strings.Builder
	for _, d := range pull() {
		b.WriteString(textOfDiff(d))
	}
	golden(t, "diff.txt", b.String())
}

func TestWithoutDifferencesTheCommentSaysSo(t *testing.T) {
	have := markdownOf([]*assess.Difference{{Environment: "prod", From: "HEAD", To: "the working tree"}})
	want := "<!-- tether diff -->\n### tether: no environment changes\n\nFrom `HEAD` to `the working tree`. No differences in `prod`.\n"
	if have != want {
		t.Errorf("have %s, want %s", have, want)
	}
}

// Whatever charts and people call things, it is shown, and not read as Markdown or HTML.
func TestWhatChartsSayIsTextInAComment(t *testing.T) {
	const evil = "</summary></details><script>alert(1)</script> @team #1 [a](http://b) `x` ```\n# b\n</code>"
	d := &assess.Difference{Environment: "prod", From: evil, To: "``", Unread: []string{evil}, Refusals: []string{evil}, Releases: []assess.ReleaseDifference{{
		Name: evil, Action: "upgrade", Reason: evil, Images: []assess.ImageDifference{{Image: evil, From: evil, To: evil}},
		Risks:   []plan.Risk{{Kind: "hook", Object: evil, Text: evil}},
		Objects: []assess.ObjectDifference{{Object: evil, Action: "refused", Why: evil, Fields: []assess.FieldDifference{{Path: evil, From: evil, To: evil}, {Path: evil, Foreign: true, Manager: evil}}}},
	}}}
	have := markdownOf([]*assess.Difference{d})
	if open, closed := strings.Count(have, "\n</summary>"), strings.Count(have, "\n</details>\n"); open != 0 || closed != 1 {
		t.Errorf("it closes %d times, not once:\n%s", closed, have)
	}
	for line := range strings.Lines(have) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case line == commentMark, line == "<details>", line == "</details>", strings.HasPrefix(line, "````") && !strings.Contains(line, "<"):
		case strings.HasPrefix(line, "<summary>"):
			if inside := strings.TrimSuffix(strings.TrimPrefix(line, "<summary>"), "</summary>"); strings.Contains(inside, "<script") || strings.Contains(inside, "</summary") || strings.Contains(inside, "</details") {
				t.Errorf("the summary: %s", line)
			}
		case strings.HasPrefix(line, "# b"), strings.HasPrefix(line, "<"):
			t.Errorf("what a chart says begins a line: %s", line)
		case strings.Contains(line, "<script") && !strings.HasPrefix(line, "! ") && !strings.HasPrefix(line, "- ") && !strings.HasPrefix(line, "+ ") && !strings.HasPrefix(line, "# "):
			if at := strings.Index(line, "````"); at < 0 || at > strings.Index(line, "<script") {
				t.Errorf("it is no code: %s", line)
			}
		}
	}
}

// A comment is never longer than a git host takes, and says what it leaves out.
func TestAHugeDifferenceFitsIntoAComment(t *testing.T) {
	huge := func(releases, objects int) string {
		d := &assess.Difference{Environment: "prod", From: "HEAD", To: "the working tree"}
		for i := range releases {
			r := assess.ReleaseDifference{Name: fmt.Sprintf("web-%04d", i), Action: "upgrade", Reason: "its inputs changed"}
			for j := range objects {
				r.Objects = append(r.Objects, assess.ObjectDifference{Object: fmt.Sprintf("ConfigMap prod/config-%d", j), Action: "update",
					Fields: []assess.FieldDifference{{Path: "data.text", From: `"` + strings.Repeat("a", 190) + `…`, To: `"` + strings.Repeat("b", 190) + `…`}}})
			}
			d.Releases = append(d.Releases, r)
		}
		return markdownOf([]*assess.Difference{d})
	}
	for sentence, c := range map[string]struct {
		releases, objects int
		says              string
	}{
		"all of it fits":              {20, 3, ""},
		"bodies are cut":              {20, 100, "of 300 lines left out here: this would be too long for a comment"},
		"bodies are left out":         {200, 100, "300 of 300 lines left out here"},
		"even summaries are left out": {2000, 1, "more releases left out. `tether diff` shows all."},
	} {
		have := huge(c.releases, c.objects)
		if len(have) > maxMarkdown {
			t.Errorf("%s: %d bytes", sentence, len(have))
		}
		if !strings.Contains(have, c.says) || c.says == "" && strings.Contains(have, "left out") {
			t.Errorf("%s: it does not say %q:\n%.2000s", sentence, c.says, have)
		}
		if c.says != "" && c.objects > 1 && len(have) < maxMarkdown/2 {
			t.Errorf("%s: room for %d bytes is not used", sentence, maxMarkdown-len(have))
		}
		if open, closed := strings.Count(have, "<details>"), strings.Count(have, "\n</details>\n"); open != closed || open == 0 {
			t.Errorf("%s: %d are opened, %d closed", sentence, open, closed)
		}
		if strings.Count(have, "\n```diff\n") != strings.Count(have, "\n```\n") {
			t.Errorf("%s: a fence is open", sentence)
		}
	}
}
