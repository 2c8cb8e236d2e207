package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/xetys/tether/agent"
	"github.com/xetys/tether/apply"
)

// cluster opens the cluster for reading one environment.
func (s *shared) cluster(environment string) (*apply.Cluster, error) {
	config, err := s.config()
	if err != nil {
		return nil, err
	}
	return apply.Connect(config, environment, nil, nil)
}

func newStatus(s *shared) *cobra.Command {
	return &cobra.Command{
		Use:   "status ENVIRONMENT",
		Short: "What runs where, at which commit, how healthy, how far behind git",
		Long: `Print what runs in an environment, read from the cluster: it works with the
agent down. Health is asked of the objects now; head, verdict and drift are what
the agent last saw.`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: s.completeEnvironments,
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.status(cmd.Context(), cmd.OutOrStdout(), args[0])
		},
	}
}

func (s *shared) status(ctx context.Context, w io.Writer, environment string) error {
	c, err := s.cluster(environment)
	if err != nil {
		return err
	}
	st, err := agent.ReadStatus(ctx, c, s.namespace, time.Now())
	if err != nil {
		return err
	}
	return s.print(w, st, func(w io.Writer) error { return tableOfStatus(w, st) })
}

func tableOfStatus(w io.Writer, st *agent.Status) error {
	var b strings.Builder
	fmt.Fprintf(&b, "environment %s of %s, branch %s\n", st.Environment, st.Repository, st.Branch)
	if st.Head != nil {
		fmt.Fprintf(&b, "head        %.7s %s (%s): %s", st.Head.Commit, st.Head.Subject, st.Head.Author, st.Verdict)
		if st.Reason != "" {
			fmt.Fprintf(&b, ": %s", st.Reason)
		}
		b.WriteByte('\n')
	}
	if st.Applied != nil && (st.Head == nil || st.Applied.Commit != st.Head.Commit) {
		fmt.Fprintf(&b, "applied     %.7s %s; behind git for %s\n", st.Applied.Commit, st.Applied.Subject, time.Duration(st.SecondsBehind)*time.Second)
	}
	if p := st.Paused; p != nil {
		fmt.Fprintf(&b, "paused      by %s until %s: %s\n", p.By, p.Until.UTC().Format(time.RFC3339), p.Reason)
	}
	b.WriteByte('\n')
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "RELEASE\tCHART\tAPP VERSION\tREVISION\tCOMMIT\tSTATUS\tHEALTH")
	for _, r := range st.Releases {
		fmt.Fprintf(t, "%s\t%s-%s\t%s\t%d\t%.7s\t%s\t%s\n", r.Name, r.Chart, r.ChartVersion, r.AppVersion, r.Revision, r.Commit, r.Status, healthText(r))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, r := range st.Releases {
		for _, d := range r.Drift {
			if d.Foreign {
				fmt.Fprintf(&b, "foreign: %s: %s %s is %s, by %s\n", r.Name, d.Object, d.Path, d.Have, d.Manager)
				continue
			}
			fmt.Fprintf(&b, "drift: %s: %s %s is %s, not %s, by %s\n", r.Name, d.Object, d.Path, d.Have, d.Want, d.Manager)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func healthText(r agent.ReleaseStatus) string {
	text := "healthy"
	switch {
	case !r.Healthy:
		text = "not healthy"
	case r.Doubted:
		text = "healthy now, but not to the agent"
	}
	if len(r.BlockedBy) > 0 {
		text += ", blocked by " + strings.Join(r.BlockedBy, ", ")
	}
	if r.Paused != nil {
		text += ", paused until " + r.Paused.Until.UTC().Format(time.RFC3339)
	}
	if r.Reason != "" {
		text += ": " + r.Reason
	}
	return text
}

func newHistory(s *shared) *cobra.Command {
	return &cobra.Command{
		Use:   "history ENVIRONMENT [RELEASE]",
		Short: "Verdicts by commit, or revisions of one release",
		Long: `Print what became of each commit in an environment, newest first; with the name
of a release, the revisions of that release. It is read from the cluster and
works with the agent down.`,
		Args:              cobra.RangeArgs(1, 2),
		ValidArgsFunction: s.completeEnvironments,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 2 {
				return s.revisions(cmd.Context(), cmd.OutOrStdout(), args[0], args[1])
			}
			return s.history(cmd.Context(), cmd.OutOrStdout(), args[0])
		},
	}
}

func (s *shared) history(ctx context.Context, w io.Writer, environment string) error {
	c, err := s.cluster(environment)
	if err != nil {
		return err
	}
	l, err := agent.ReadLedger(ctx, c, s.namespace)
	if err != nil {
		return err
	}
	entries := l.Newest()
	return s.print(w, entries, func(w io.Writer) error { return tableOfHistory(w, entries) })
}

// tableOfHistory prints one line a commit, and the reason of its verdict below:
// reasons are long, and would make every column as wide.
func tableOfHistory(w io.Writer, entries []agent.Entry) error {
	var table strings.Builder
	t := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "COMMIT\tSTARTED\tTOOK\tVERDICT\tSUBJECT\tRELEASES")
	for _, e := range entries {
		took := "-"
		if e.Finished != nil {
			took = e.Finished.Sub(e.Started).Round(time.Second).String()
		}
		var releases []string
		for _, r := range e.Releases {
			releases = append(releases, fmt.Sprintf("%s: %s %s", r.Name, r.Action, r.Outcome))
		}
		fmt.Fprintf(t, "%.7s\t%s\t%s\t%s\t%s\t%s\n", e.Commit.Commit, e.Started.Format(time.RFC3339), took, e.Verdict, oneLine(e.Subject), strings.Join(releases, ", "))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	header, lines, _ := strings.Cut(table.String(), "\n")
	fmt.Fprintln(w, header)
	for i, line := range strings.SplitAfter(lines, "\n")[:len(entries)] {
		fmt.Fprint(w, line)
		if entries[i].Reason != "" {
			fmt.Fprintf(w, "         %s\n", oneLine(entries[i].Reason))
		}
	}
	return nil
}

// oneLine keeps what others wrote from breaking a table.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

func (s *shared) revisions(ctx context.Context, w io.Writer, environment, release string) error {
	c, err := s.cluster(environment)
	if err != nil {
		return err
	}
	revisions, err := agent.ReadRevisions(ctx, c, s.namespace, release)
	if err != nil {
		return err
	}
	return s.print(w, revisions, func(w io.Writer) error {
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "REVISION\tUPDATED\tSTATUS\tACTION\tCHART VERSION\tAPP VERSION\tCOMMIT\tDESCRIPTION")
		for _, r := range revisions {
			fmt.Fprintf(t, "%d\t%s\t%s\t%s\t%s\t%s\t%.7s\t%s\n", r.Revision, r.Updated.Format(time.RFC3339), r.Status, r.Action, r.ChartVersion, r.AppVersion, r.Commit, r.Description)
		}
		return t.Flush()
	})
}
