package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/xetys/tether/agent/why"
	"github.com/xetys/tether/render/blame"
)

// textOfBlame prints manifests with what is known of each line, or of few fields all.
func textOfBlame(w io.Writer, out *blamed, detailed bool) error {
	for i, rel := range out.Releases {
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "release %s/%s, %s\n", rel.Namespace, rel.Name, rel.Chart)
		commits := map[string]why.Commit{}
		for _, c := range rel.Commits {
			commits[c.Commit] = c
		}
		for _, o := range rel.Objects {
			fmt.Fprintf(w, "\n%s  (%s)\n", o.Object, o.Template.String())
			if detailed {
				for _, field := range o.Fields {
					detail(w, field, commits)
				}
				continue
			}
			if err := manifestOf(w, o, commits); err != nil {
				return err
			}
		}
	}
	if len(out.Live) > 0 {
		fmt.Fprintln(w, "\nin the cluster")
		for _, l := range out.Live {
			fmt.Fprintf(w, "  %s\n", livingText(l))
		}
	}
	for _, note := range out.Notes {
		fmt.Fprintf(w, "note: %s\n", note)
	}
	return nil
}

// livingText says of a live field what it is, and by whom.
func livingText(l blame.LiveField) string {
	at := strings.TrimSpace(l.Object + " " + l.Path)
	by := ""
	if l.Manager != "" {
		by = ", by " + l.Manager
	}
	if !l.Since.IsZero() {
		by += " at " + stamp(l.Since)
	}
	switch l.How {
	case blame.Default:
		return fmt.Sprintf("%s: %s, made by the cluster", at, l.Have)
	case blame.Added:
		return fmt.Sprintf("%s: %s, added%s", at, l.Have, by)
	}
	return fmt.Sprintf("%s: %s -> %s, edited%s", at, l.Want, l.Have, by)
}

// detail prints all that is known of a field.
func detail(w io.Writer, f blame.Field, commits map[string]why.Commit) {
	fmt.Fprintf(w, "%s: %s\n", f.Path, f.Value)
	line := func(name, text string) { fmt.Fprintf(w, "  %-9s %s\n", name, text) }
	if c, ok := commits[f.Commit]; ok {
		text := fmt.Sprintf("%.7s %s (%s, %s)", c.Commit, oneLine(c.Subject), oneLine(c.Author), stamp(c.Time))
		if f.Older {
			text += ", or before: the history that is here ends there"
		}
		line("commit", text)
		if m, ok := commits[f.Merge]; ok {
			line("merged", fmt.Sprintf("%.7s %s (%s, %s)", m.Commit, oneLine(m.Subject), oneLine(m.Author), stamp(m.Time)))
		}
		if c.Verdict != "" {
			line("verdict", fateText(c))
		}
	}
	switch {
	case f.Generated:
		line("set", "by the template, anew with each render: what runs stands in the release's record")
	case len(f.Set) > 1:
		line("set", fmt.Sprintf("by %d values together:", len(f.Set)))
		for _, p := range f.Set {
			line("", p.String())
		}
	case len(f.Set) == 1:
		line("set", f.Set[0].String())
	}
	if f.Template != nil {
		line("template", f.Template.String())
	}
	for _, p := range f.Could {
		line("could be", p.String()+", which is empty")
	}
	for _, p := range f.When {
		line("there by", p.String())
	}
}

func fateText(c why.Commit) string {
	text := string(c.Verdict)
	if c.By != "" {
		text += fmt.Sprintf(", with %.7s", c.By)
	}
	if c.Live != nil {
		text += ", live since " + stamp(c.Live.UTC().Truncate(time.Second))
	}
	return text
}

// manifestOf prints an object, line by line.
func manifestOf(w io.Writer, o blame.Object, commits map[string]why.Commit) error {
	lines, err := o.Lines()
	if err != nil {
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, l := range lines {
		f := l.Field
		if f == nil {
			fmt.Fprintf(t, "\t\t\t\t│ %s\n", l.Text)
			continue
		}
		c := commits[f.Commit]
		sha := shortCommit(f.Commit)
		if f.Older {
			sha = "^" + sha
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t│ %s\n", sha, nameOf(c.Author), c.Time.UTC().Format(time.DateOnly), shortLine(f.Where()), l.Text)
	}
	return t.Flush()
}
