package main

import (
	"fmt"
	"html"
	"slices"
	"strings"

	"github.com/xetys/tether/agent/assess"
	"github.com/xetys/tether/apply/plan"
	"github.com/xetys/tether/source/printable"
)

// How much a comment on a pull request may hold: GitHub takes 65,536 characters, the
// least of the git hosts. A comment may have something added by whoever posts it.
const (
	maxMarkdown = 60_000
	minBody     = 200 // a body that is cut to less is left out
	maxRisks    = 20  // of one release
	maxNotes    = 10
	maxNote     = 500
	maxField    = 500 // of a field's value
)

// commentMark is how a job finds the comment of an earlier run, to update it.
const commentMark = "<!-- tether diff -->"

// folded is one release in Markdown: a line that is always seen, and what is folded
// below it.
type folded struct {
	environment, summary string
	head, body           []string // lines
}

// markdownOf is for a comment on a pull request. It is as long as such a comment may be,
// at the most: summaries come first, then what is folded below them, and what was left
// out is said. All that charts and people wrote is shown as text.
func markdownOf(all []*assess.Difference) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s", commentMark, headline(all))
	var releases []folded
	for _, d := range all {
		for _, r := range d.Releases {
			releases = append(releases, foldedOf(d, r))
		}
	}
	closing := closingOf(all)
	room := maxMarkdown - b.Len() - len(closing) - minBody
	shown := 0
	for ; shown < len(releases); shown++ {
		need := len(releases[shown].markdown(nil, 0)) + len(environmentHead(releases[shown].environment))
		if need > room {
			break
		}
		room -= need
	}
	last := ""
	for i, r := range releases[:shown] {
		if r.environment != last {
			last = r.environment
			b.WriteString(environmentHead(last))
		}
		text := r.within(room / (shown - i))
		room -= len(text) - len(r.markdown(nil, 0))
		b.WriteString(text)
	}
	if left := len(releases) - shown; left > 0 {
		fmt.Fprintf(&b, "\n> **note**: this would be too long for a comment: %s left out. `tether diff` shows all.\n", plural(left, "more release"))
	}
	b.WriteString(closing)
	return b.String()
}

// headline says what was compared and how many environments change.
func headline(all []*assess.Difference) string {
	var changed, refused, same []string
	for _, d := range all {
		switch {
		case len(d.Refusals) > 0:
			refused = append(refused, code(d.Environment))
		case d.Any():
			changed = append(changed, code(d.Environment))
		default:
			same = append(same, code(d.Environment))
		}
	}
	var parts []string
	if len(refused) > 0 {
		parts = append(parts, fmt.Sprintf("%s would be refused", few(refused)))
	}
	if len(changed) > 0 {
		parts = append(parts, fmt.Sprintf("it changes %s", few(changed)))
	}
	if len(parts) == 0 {
		parts = append(parts, "no environment changes")
	}
	text := fmt.Sprintf("### tether: %s\n", strings.Join(parts, "; "))
	if len(all) > 0 {
		text += fmt.Sprintf("\nFrom %s to %s.", code(fromText(all[0])), code(revisionText(all[0].To)))
	}
	if len(same) > 0 {
		text += fmt.Sprintf(" No differences in %s.", few(same))
	}
	return text + "\n"
}

// few lists names, and of many the first.
func few(names []string) string {
	if more := len(names) - maxNotes; more > 0 {
		names = append(names[:maxNotes:maxNotes], fmt.Sprintf("%d more", more))
	}
	return strings.Join(names, ", ")
}

func environmentHead(environment string) string { return fmt.Sprintf("\n#### %s\n", code(environment)) }

// closingOf are notes and refusals, within bounds.
func closingOf(all []*assess.Difference) string {
	var lines []string
	for _, d := range all {
		for _, text := range d.Refusals {
			lines = append(lines, fmt.Sprintf("\n> **refused**: %s: %s\n", code(d.Environment), code(printable.Line(text, maxNote))))
		}
	}
	for _, d := range all {
		for _, text := range d.Unread {
			lines = append(lines, fmt.Sprintf("\n> **note**: %s: %s\n", code(d.Environment), code(printable.Line(text, maxNote))))
		}
	}
	if n := len(lines) - maxNotes; n > 0 {
		lines = append(lines[:maxNotes], fmt.Sprintf("\n> **note**: %s left out. `tether diff` shows all.\n", plural(n, "more line")))
	}
	return strings.Join(lines, "")
}

func foldedOf(d *assess.Difference, r assess.ReleaseDifference) folded {
	f := folded{environment: d.Environment, summary: summaryOf(r), head: []string{code(shortLine(actionText(r))) + "\n"}}
	if len(r.Risks) > 0 {
		f.head = append(f.head, "\n")
	}
	for _, risk := range r.Risks[:min(len(r.Risks), maxRisks)] {
		f.head = append(f.head, fmt.Sprintf("- ⚠️ **%s**: %s %s\n", risk.Kind, code(shortLine(risk.Object)), code(shortLine(risk.Text))))
	}
	if more := len(r.Risks) - maxRisks; more > 0 {
		f.head = append(f.head, fmt.Sprintf("- ⚠️ and %d more\n", more))
	}
	if body := diffLines(r); body != "" {
		f.body = strings.SplitAfter(strings.TrimSuffix(body, "\n"), "\n")
	}
	return f
}

// summaryOf is the line of a release, as HTML: what is done, images, how many objects,
// and which risks there are.
func summaryOf(r assess.ReleaseDifference) string {
	parts := []string{fmt.Sprintf("<b>%s</b>: %s", html.EscapeString(shortLine(r.Name)), html.EscapeString(r.Action))}
	const most = 4
	for _, i := range r.Images[:min(len(r.Images), most)] {
		name := i.Image[strings.LastIndexByte(i.Image, '/')+1:]
		parts = append(parts, fmt.Sprintf("<code>%s</code> %s → %s", html.EscapeString(shortLine(name)), versionText(i.From), versionText(i.To)))
	}
	if more := len(r.Images) - most; more > 0 {
		parts = append(parts, plural(more, "more image"))
	}
	parts = append(parts, countsOf(r))
	var kinds []string
	for _, risk := range r.Risks {
		if !slices.Contains(kinds, risk.Kind) {
			kinds = append(kinds, risk.Kind)
		}
	}
	if len(kinds) > 0 {
		parts = append(parts, "⚠️ "+html.EscapeString(strings.Join(kinds, ", ")))
	}
	return strings.Join(parts, " · ")
}

// versionText shows a version as code, in which nobody is mentioned.
func versionText(version string) string {
	if version == "" {
		return "none"
	}
	return "<code>" + html.EscapeString(shortLine(version)) + "</code>"
}

// countsOf says how many objects are created, changed and deleted.
func countsOf(r assess.ReleaseDifference) string {
	n := map[string]int{}
	for _, o := range r.Objects {
		switch plan.Action(o.Action) {
		case plan.Create, plan.Deferred:
			n["created"]++
		case plan.Update:
			n["changed"]++
		case plan.Recreate:
			n["recreated"]++
		case plan.Delete:
			n["deleted"]++
		case plan.Keep:
			n["kept"]++
		case plan.Refused:
			n["refused"]++
		}
	}
	var parts []string
	for _, what := range []string{"created", "changed", "recreated", "deleted", "kept", "refused"} {
		if n[what] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n[what], what))
		}
	}
	if len(parts) == 0 {
		return "no object changes"
	}
	return strings.Join(parts, ", ")
}

// markdown is the release with some lines of its body, of which so many are left out.
func (f folded) markdown(body []string, left int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n<details>\n<summary>%s</summary>\n\n%s", f.summary, strings.Join(f.head, ""))
	if len(body) > 0 {
		text := strings.TrimSuffix(strings.Join(body, ""), "\n")
		fence := fenceFor(text, "```")
		fmt.Fprintf(&b, "\n%sdiff\n%s\n%s\n", fence, text, fence)
	}
	if left > 0 || len(body) == 0 && len(f.body) > 0 {
		fmt.Fprintf(&b, "\n%d of %s left out here: this would be too long for a comment. `tether diff` shows all.\n", max(left, len(f.body)-len(body)), plural(len(f.body), "line"))
	}
	b.WriteString("\n</details>\n")
	return b.String()
}

// within is the release with as many lines of its body as fit into more bytes than it
// takes without.
func (f folded) within(more int) string {
	bare := f.markdown(nil, 0)
	if whole := f.markdown(f.body, 0); len(whole) <= len(bare)+more {
		return whole
	}
	n, size := 0, minBody
	for n < len(f.body) && size+len(f.body[n]) <= more {
		size += len(f.body[n])
		n++
	}
	if n == 0 {
		return bare
	}
	return f.markdown(f.body[:n], len(f.body)-n)
}

// fenceFor returns a fence of backticks that a text does not have.
func fenceFor(text, fence string) string {
	for strings.Contains(text, fence) {
		fence += "`"
	}
	return fence
}

// code shows a text as it is, on one line: nothing in it is read as Markdown or HTML, or
// calls somebody by name.
func code(text string) string {
	text = oneLine(text)
	fence := fenceFor(text, "`")
	if strings.HasPrefix(text, "`") || strings.HasSuffix(text, "`") || text == "" {
		text = " " + text + " "
	}
	return fence + text + fence
}

// diffLines are coloured by whoever shows Markdown: + and - by themselves, ! for
// what changes.
func diffLines(r assess.ReleaseDifference) string {
	var b strings.Builder
	for _, o := range r.Objects {
		sign := "!"
		switch plan.Action(o.Action) {
		case plan.Create, plan.Deferred:
			sign = "+"
		case plan.Delete:
			sign = "-"
		case plan.Keep, plan.Unchanged:
			sign = "#"
		}
		fmt.Fprintf(&b, "%s %s\n", sign, printable.Line(objectText(o), maxField))
		for _, f := range o.Fields {
			if f.Foreign {
				fmt.Fprintf(&b, "#   %s\n", printable.Line(fieldText(f), maxField))
				continue
			}
			path := oneLine(f.Path)
			fmt.Fprintf(&b, "-   %s: %s\n+   %s: %s\n", path, printable.Line(f.From, maxField), path, printable.Line(f.To, maxField))
		}
	}
	return b.String()
}
