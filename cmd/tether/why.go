package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/xetys/tether/agent/why"
	"github.com/xetys/tether/apply/ownership"
	"github.com/xetys/tether/render/blame"
	"github.com/xetys/tether/render/manifest"
)

func newWhy(s *shared) *cobra.Command {
	f := &blameFlags{renderFlags: &renderFlags{shared: s}}
	cmd := &cobra.Command{
		Use:   "why ENVIRONMENT OBJECT",
		Short: "All about one object on a page: whose it is, who changed it last, health, drift, how to undo it",
		Long: `Print on one page what is known of an object: the release and chart that it belongs to,
or whose it is else; its template, the values that reach it, its last change with author
and verdict, its health with rule and reason, fields that differ in the cluster with
their manager, what depends on it, the events of the last hour, and the command that
undoes the last change. Without a cluster, what git tells is printed, and what is
missing said.`,
		Example:           `  tether why production deployment/web`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: f.complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.why(cmd.Context(), cmd.OutOrStdout(), args, time.Now())
		},
	}
	f.registerHistory(cmd.Flags())
	return cmd
}

func (f *blameFlags) why(ctx context.Context, w io.Writer, args []string, now time.Time) error {
	b, head, err := f.open(args[0])
	if err != nil {
		return err
	}
	defer b.Cache.Trim()
	page := why.NewPage(args[0], args[1])
	asked, err := f.asked(ctx, b, head, args)
	switch {
	case err == nil && len(asked) > 0:
		err = f.ours(ctx, b, head, page, asked[0])
	case exitCode(err) == 2:
		err = f.theirs(ctx, page, err)
	}
	if err != nil {
		return err
	}
	f.state(ctx, b, head, page, now)
	return f.print(w, page, func(w io.Writer) error { return textOfWhy(w, page) })
}

// ours fills in what git tells of an object that is rendered.
func (f *blameFlags) ours(ctx context.Context, b *blame.Blamer, head *blame.Commit, page *why.Page, asked why.Asked) error {
	l, unread := f.ledgerOf(ctx, page.Environment, serverFlags{})
	if unread != "" {
		page.Notes = append(page.Notes, unread)
	}
	if _, err := asUsage(page.Fill(ctx, b, head, asked, l)); err != nil {
		return err
	}
	return page.FillNeededBy(ctx, b, head)
}

// theirs says whose an object is that is not rendered; refused is why it is not.
func (f *blameFlags) theirs(ctx context.Context, page *why.Page, refused error) error {
	ctx, cancel := context.WithTimeout(ctx, 10*ledgerWait)
	defer cancel()
	c, err := f.cluster(page.Environment)
	if err != nil {
		return usageError{fmt.Errorf("%w; whose it is else can't be asked: %w", refused, err)}
	}
	defer c.Close()
	live, err := c.Judge.Find(ctx, page.Object)
	if err != nil {
		return usageError{fmt.Errorf("%w; in the cluster: %w", refused, err)}
	}
	page.Object, page.Owner = manifest.IDOf(live).String(), ownership.OwnerOf(live, page.Environment)
	return nil
}

// state fills in what the cluster tells, or why it does not.
func (f *blameFlags) state(ctx context.Context, b *blame.Blamer, head *blame.Commit, page *why.Page, now time.Time) {
	ctx, cancel := context.WithTimeout(ctx, 10*ledgerWait)
	defer cancel()
	missing := func(what string, err error) {
		page.Notes = append(page.Notes, what+": "+strings.Join(strings.Fields(err.Error()), " "))
	}
	c, err := f.cluster(page.Environment)
	if err != nil {
		missing("health, drift and events are not told", err)
		return
	}
	defer c.Close()
	rules, _ := f.rulesOf(page.Environment) // without a working tree the built-in ones judge
	c.Judge.SetRules(rules)
	live, err := c.Judge.Find(ctx, page.Object)
	if err != nil {
		missing("health, drift and events are not told", err)
		return
	}
	mask := func(text string) string { return text }
	if page.Release != "" {
		drift, veil, err := b.LiveObject(ctx, head, page.Environment, page.Release, page.Object, live)
		if err != nil {
			missing("drift is not told", err)
			return // nor what may be secret
		}
		for _, d := range drift {
			if d.How != blame.Default { // what the cluster made is no drift
				page.Drift = append(page.Drift, d)
			}
		}
		mask = veil
	}
	h := c.Judge.Object(live)
	page.Health = &why.Health{State: string(h.State), Rule: h.Rule, Field: h.Field, Reason: mask(h.Reason)}
	events, err := c.Events(ctx, live.GetKind(), live.GetNamespace(), live.GetName(), now.Add(-time.Hour))
	if err != nil {
		missing("events are not told", err)
	}
	for _, e := range events {
		e.Text = mask(e.Text)
		page.Events = append(page.Events, e)
	}
}

func textOfWhy(w io.Writer, p *why.Page) error {
	line := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%-12s%s\n", name, fmt.Sprintf(format, args...))
	}
	list := func(name string, n int, at func(int) string) {
		for i := range n {
			line(name, "%s", at(i))
			name = ""
		}
	}
	fmt.Fprintln(w, p.Object)
	if p.Owner != "" {
		line("not ours", "%s", p.Owner)
	}
	if p.Release != "" {
		line("release", "%s of environment %s", p.Release, p.Environment)
		line("chart", "%s", p.Chart)
		line("template", "%s", p.Template.String())
	}
	list("values", len(p.Values), func(i int) string { return p.Values[i].String() })
	if c := p.Last; c != nil {
		line("last change", "%.7s %s (%s, %s)", c.Commit, oneLine(c.Subject), oneLine(c.Author), stamp(c.Time))
		if c.Verdict != "" {
			line("", "%s", fateText(*c))
		}
		line("", "%s", shortLine("it set "+strings.Join(p.Changed, ", ")))
	}
	if h := p.Health; h != nil {
		text := h.State
		if h.Reason != "" {
			text += ": " + oneLine(h.Reason)
		}
		rule := "rule " + h.Rule
		if h.Field != "" {
			rule += ", field " + h.Field
		}
		line("health", "%s (%s)", text, rule)
	}
	list("drift", len(p.Drift), func(i int) string {
		return strings.TrimPrefix(livingText(p.Drift[i]), p.Drift[i].Object+" ")
	})
	if p.Health != nil && p.Release != "" && len(p.Drift) == 0 {
		line("drift", "none")
	}
	list("needed by", len(p.NeededBy), func(i int) string { return p.NeededBy[i] })
	list("events", len(p.Events), func(i int) string {
		e := p.Events[i]
		return fmt.Sprintf("%s %s %s: %s", stamp(e.At), e.Kind, e.Reason, shortLine(e.Text))
	})
	if p.Undo != "" {
		line("undo", "%s", p.Undo)
	}
	for _, note := range p.Notes {
		fmt.Fprintf(w, "note: %s\n", note)
	}
	return nil
}
