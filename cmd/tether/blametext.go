package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/xetys/tether/render"
	"github.com/xetys/tether/render/blame"
)

// textOfBlame prints manifests with what is known of each line, or of few fields all.
func textOfBlame(w io.Writer, out *blamed, detailed bool) error {
	for i, rel := range out.Releases {
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "release %s/%s, %s\n", rel.Namespace, rel.Name, rel.Chart)
		commits := map[string]becameOf{}
		for _, c := range rel.Commits {
			commits[c.Commit] = c
		}
		for _, o := range rel.Objects {
			fmt.Fprintf(w, "\n%s  (%s)\n", o.Object, placeText(o.Template))
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
func detail(w io.Writer, f blame.Field, commits map[string]becameOf) {
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
			line("", placeText(p))
		}
	case len(f.Set) == 1:
		line("set", placeText(f.Set[0]))
	}
	if f.Template != nil {
		line("template", placeText(*f.Template))
	}
	for _, p := range f.Could {
		line("could be", placeText(p)+", which is empty")
	}
	for _, p := range f.When {
		line("there by", placeText(p))
	}
}

func fateText(c becameOf) string {
	text := string(c.Verdict)
	if c.By != "" {
		text += fmt.Sprintf(", with %.7s", c.By)
	}
	if c.Live != nil {
		text += ", live since " + stamp(c.Live.UTC().Truncate(time.Second))
	}
	return text
}

// placeText is a place as people read it: file:line key.
func placeText(p render.Place) string {
	var parts []string
	if p.File != "" {
		at := p.File
		if p.Line > 0 {
			at += fmt.Sprintf(":%d", p.Line)
		}
		parts = append(parts, at)
	}
	key := p.Key
	if p.File == "" && p.Line > 0 && key != "" {
		key += fmt.Sprintf(":%d", p.Line)
	}
	if key != "" {
		parts = append(parts, key)
	}
	if p.Of != "" {
		parts = append(parts, "of "+p.Of)
	}
	switch {
	case p.Kind == "default" && p.File == "":
		parts = append(parts, "(its own value)")
	case p.Secret:
		parts = append(parts, "(secret)")
	}
	return strings.Join(parts, " ")
}

// whereText is the place that decides a field, in a column.
func whereText(f blame.Field) string {
	switch {
	case f.Generated:
		return "(generated)"
	case len(f.Set) > 1:
		return fmt.Sprintf("several (%d), %s", len(f.Set), placeText(f.Set[0]))
	case len(f.Set) == 1:
		return placeText(f.Set[0])
	case f.Template != nil:
		return placeText(*f.Template)
	}
	return "the template"
}

// manifestOf prints an object, line by line.
func manifestOf(w io.Writer, o blame.Object, commits map[string]becameOf) error {
	byStep := map[string]blame.Field{}
	for _, f := range o.Fields {
		byStep[fmt.Sprintf("%q", f.Steps)] = f
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	err := yamlLines(treeOf(o), nil, "", func(text string, steps []any) {
		f, ok := byStep[fmt.Sprintf("%q", steps)]
		if !ok {
			fmt.Fprintf(t, "\t\t\t\t│ %s\n", text)
			return
		}
		c := commits[f.Commit]
		sha := shortCommit(f.Commit)
		if f.Older {
			sha = "^" + sha
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t│ %s\n", sha, nameOf(c.Author), c.Time.UTC().Format(time.DateOnly), shortLine(whereText(f)), text)
	})
	if err != nil {
		return err
	}
	return t.Flush()
}

// treeOf puts the fields of an object together again.
func treeOf(o blame.Object) any {
	var root any
	for _, f := range o.Fields {
		root = grow(root, f.Steps, f)
	}
	return root
}

// sparse is a list of which some elements are shown.
type sparse map[int]any

func grow(at any, steps []any, f blame.Field) any {
	if len(steps) == 0 {
		return f
	}
	if i, ok := steps[0].(int); ok {
		list, _ := at.(sparse)
		if list == nil {
			list = sparse{}
		}
		list[i] = grow(list[i], steps[1:], f)
		return list
	}
	m, _ := at.(map[string]any)
	if m == nil {
		m = map[string]any{}
	}
	key := fmt.Sprint(steps[0])
	m[key] = grow(m[key], steps[1:], f)
	return m
}

// yamlLines goes through an object as YAML has it; see is told each line, and the steps to
// the field that it shows, if it shows one.
func yamlLines(v any, steps []any, lead string, see func(string, []any)) error {
	indent := strings.Repeat(" ", len(lead))
	switch v := v.(type) {
	case blame.Field:
		see(lead+v.Value, steps)
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			next := append(slices.Clone(steps), k)
			if f, ok := v[k].(blame.Field); ok {
				text, err := scalar(f.Value)
				if err != nil {
					return err
				}
				see(lead+keyOf(k)+": "+text, next)
			} else {
				see(lead+keyOf(k)+":", nil)
				if err := yamlLines(v[k], next, indent+"  ", see); err != nil {
					return err
				}
			}
			lead = indent
		}
	case sparse:
		for _, i := range slices.Sorted(maps.Keys(v)) {
			next := append(slices.Clone(steps), i)
			if f, ok := v[i].(blame.Field); ok {
				text, err := scalar(f.Value)
				if err != nil {
					return err
				}
				see(indent+"- "+text, next)
				continue
			}
			if err := yamlLines(v[i], next, indent+"- ", see); err != nil {
				return err
			}
		}
	}
	return nil
}

func keyOf(k string) string {
	text, err := scalar(fmt.Sprintf("%q", k))
	if err != nil {
		return k
	}
	return text
}

// scalar is a JSON value as YAML has it, on one line.
func scalar(value string) (string, error) {
	var v any
	if json.Unmarshal([]byte(value), &v) != nil {
		return value, nil // it stands for a secret
	}
	s, ok := v.(string)
	if !ok {
		return value, nil
	}
	if strings.Contains(s, "\n") {
		first, _, _ := strings.Cut(s, "\n")
		return fmt.Sprintf("%q… (%s)", first, plural(strings.Count(strings.TrimSuffix(s, "\n"), "\n")+1, "line")), nil
	}
	raw, err := yaml.Marshal(s)
	return strings.TrimSuffix(string(raw), "\n"), err
}
