package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/xetys/tether/agent/status"
)

func newStatus(s *shared) *cobra.Command {
	var from serverFlags
	var at string
	past := &renderFlags{shared: s}
	cmd := &cobra.Command{
		Use:   "status [ENVIRONMENT]",
		Short: "What runs where, at which commit, how healthy, how far behind git",
		Long: `Print what runs in an environment, read from the cluster: it works with the
agent down, and says so first. Health is asked of the objects now; head, verdict
and drift are what the agent last saw.

Without an environment, print a line for each one of the agent's namespace, from
its ledger alone.

With --at, print what ran at a moment: the commit that was live by the ledger, and
what it renders to, from --repo. A time is written 2026-11-24T14:02Z, 14:02, 2h or 3d
(ago); without a zone it is UTC. Before the ledger begins, git alone is asked, which
is said. A commit prints what it runs, or would run.`,
		Example: `  tether status production
  tether status production --at 2026-11-24T14:02Z`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: s.completeEnvironments,
		RunE: func(cmd *cobra.Command, args []string) error {
			if at != "" {
				if len(args) == 0 || from.url != "" {
					return usageError{errors.New("--at is for one environment, read from git and the cluster: name it, and leave --server out")}
				}
				return s.statusAt(cmd.Context(), cmd.OutOrStdout(), args[0], at, past, time.Now())
			}
			if len(args) == 0 {
				return s.overview(cmd.Context(), cmd.OutOrStdout(), from)
			}
			return s.status(cmd.Context(), cmd.OutOrStdout(), args[0], from)
		},
	}
	from.register(cmd.Flags())
	cmd.Flags().StringVar(&at, "at", "", "what ran at a time, or what a commit runs")
	past.sops.register(cmd.Flags())
	past.charts.register(cmd.Flags())
	return cmd
}

// summaries are of the server, or of the cluster.
func (s *shared) summaries(ctx context.Context, from serverFlags) ([]status.Summary, error) {
	if from.url != "" {
		server, err := from.client()
		if err != nil {
			return nil, err
		}
		return server.Summaries(ctx)
	}
	c, err := s.cluster("")
	if err != nil {
		return nil, err
	}
	return status.ReadAll(ctx, c, s.namespace, time.Now())
}

func (s *shared) overview(ctx context.Context, w io.Writer, from serverFlags) error {
	all, err := s.summaries(ctx, from)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return fmt.Errorf("namespace %s has no ledger: no agent kept an environment there yet; if the agent keeps its ledgers elsewhere, give --namespace", s.namespace)
	}
	return s.print(w, all, func(w io.Writer) error { return tableOfSummaries(w, all) })
}

// tableOfSummaries says first of which environments nobody takes care.
func tableOfSummaries(w io.Writer, all []status.Summary) error {
	for _, e := range all {
		if trouble := e.Agent.Trouble(e.Environment); trouble != "" {
			fmt.Fprintf(w, "! %s\n", trouble)
		}
		if trouble := e.Away.Trouble(); trouble != "" {
			fmt.Fprintf(w, "! %s: %s\n", e.Environment, oneLine(trouble))
		}
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ENVIRONMENT\tHEAD\tAPPLIED\tVERDICT\tBEHIND SINCE\tPAUSED UNTIL\tDRIFT\tDEPLOYS\tWHY")
	for _, e := range all {
		head, applied, paused, drift := "-", "-", "-", "-"
		if e.Head != nil {
			head = shortCommit(e.Head.Commit)
		}
		if e.Applied != nil {
			applied = shortCommit(e.Applied.Commit)
		}
		if e.Paused != nil {
			paused = stamp(e.Paused.Until)
		}
		if e.Drifted > 0 {
			drift = plural(e.Drifted, "object")
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", e.Environment, head, applied, cmp.Or(string(e.Verdict), "-"), stamp(e.BehindSince), paused, drift,
			windowText(e.Windows), cmp.Or(shortLine(whyOf(e)), "-"))
	}
	return t.Flush()
}

// whyOf is the one reason that is worth a column: the verdict's, or what is not as it
// should be in spite of it.
func whyOf(e status.Summary) string {
	switch {
	case e.Reason != "" && !e.Verdict.Live():
		return e.Reason
	case e.Unhealthy > 0:
		return fmt.Sprintf("%d of %s not healthy", e.Unhealthy, plural(e.Releases, "release"))
	}
	return e.Reason
}

// windowText says when deploys are allowed.
func windowText(w *status.Windows) string {
	switch {
	case w == nil:
		return "any time"
	case w.Open && w.Changes.IsZero():
		return "now"
	case w.Open:
		return "now, until " + stamp(w.Changes)
	case w.Changes.IsZero():
		return "never"
	}
	return "from " + stamp(w.Changes)
}

// statusOf is the server's answer, or what is read in the cluster.
func (s *shared) statusOf(ctx context.Context, environment string, from serverFlags) (*status.Status, error) {
	if from.url != "" {
		server, err := from.client()
		if err != nil {
			return nil, err
		}
		return server.Status(ctx, environment)
	}
	c, err := s.cluster(environment)
	if err != nil {
		return nil, err
	}
	rules, unread := s.rulesOf(environment)
	c.Judge.SetRules(rules)
	st, err := status.Read(ctx, c, s.namespace, time.Now())
	if err != nil {
		return nil, err
	}
	st.RulesUnread = s.withoutRules(st.HealthRules, unread)
	return st, nil
}

func (s *shared) status(ctx context.Context, w io.Writer, environment string, from serverFlags) error {
	st, err := s.statusOf(ctx, environment, from)
	if err != nil {
		return err
	}
	return s.print(w, st, func(w io.Writer) error { return tableOfStatus(w, st) })
}

// headOfStatus is what is said of the environment as a whole; that nobody takes care of
// it comes first.
func headOfStatus(st *status.Status) string {
	var b strings.Builder
	if trouble := st.Agent.Trouble(st.Environment); trouble != "" {
		fmt.Fprintf(&b, "! %s\n", trouble)
	}
	if trouble := st.Away.Trouble(); trouble != "" {
		fmt.Fprintf(&b, "! %s\n", oneLine(trouble))
	}
	if st.RulesUnread != "" {
		fmt.Fprintf(&b, "! %s\n", oneLine(st.RulesUnread))
	}
	fmt.Fprintf(&b, "environment %s of %s, branch %s\n", st.Environment, st.Repository, st.Branch)
	if st.Head != nil {
		fmt.Fprintf(&b, "head        %.7s %s (%s): %s", st.Head.Commit, oneLine(st.Head.Subject), oneLine(st.Head.Author), st.Verdict)
		if st.Reason != "" {
			fmt.Fprintf(&b, ": %s", st.Reason)
		}
		b.WriteByte('\n')
	}
	if st.Applied != nil && (st.Head == nil || st.Applied.Commit != st.Head.Commit) {
		fmt.Fprintf(&b, "applied     %.7s %s; behind git for %s, since %s\n", st.Applied.Commit, oneLine(st.Applied.Subject),
			time.Duration(st.SecondsBehind)*time.Second, stamp(st.BehindSince))
	}
	if p := st.Paused; p != nil {
		fmt.Fprintf(&b, "paused      by %s until %s: %s\n", p.By, stamp(p.Until), p.Reason)
	}
	if st.Windows != nil {
		fmt.Fprintf(&b, "deploys     %s\n", windowText(st.Windows))
	}
	return b.String()
}

func tableOfStatus(w io.Writer, st *status.Status) error {
	var b strings.Builder
	b.WriteString(headOfStatus(st))
	b.WriteByte('\n')
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "RELEASE\tCHART\tVERSION\tREVISION\tCOMMIT\tBEHIND SINCE\tSTATUS\tHEALTH")
	for _, r := range st.Releases {
		fmt.Fprintf(t, "%s\t%s-%s\t%s\t%d\t%.7s\t%s\t%s\t%s\n", r.Name, r.Chart, r.ChartVersion, versionOf(r), r.Revision, r.Commit, stamp(r.BehindSince), r.Status, healthText(r))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, r := range st.Releases {
		for _, image := range r.Images {
			fmt.Fprintf(&b, "image: %s: %s\n", r.Name, image)
		}
	}
	for _, r := range st.Releases {
		for _, d := range r.Drift {
			if d.Foreign {
				fmt.Fprintf(&b, "foreign: %s: %s %s is %s, by %s\n", r.Name, d.Object, d.Path, d.Have, d.Manager)
				continue
			}
			fmt.Fprintf(&b, "drift: %s: %s %s is %s, not %s, by %s", r.Name, d.Object, d.Path, d.Have, d.Want, cmp.Or(d.Manager, "nobody known"))
			if d.Refused != "" {
				fmt.Fprintf(&b, "; putting it back is refused: %s", d.Refused)
			}
			b.WriteByte('\n')
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func healthText(r status.ReleaseStatus) string {
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

// versionOf is the version that runs: the tags of its images, or the chart's appVersion if
// it has none.
func versionOf(r status.ReleaseStatus) string {
	var tags []string
	for _, image := range r.Images {
		name, digest, pinned := strings.Cut(image, "@")
		tag := ""
		if at := strings.LastIndexByte(name, ':'); at > strings.LastIndexByte(name, '/') {
			tag = name[at+1:]
		} else if pinned {
			tag = digest[:min(len(digest), 14)]
		}
		if tag != "" && !slices.Contains(tags, tag) {
			tags = append(tags, tag)
		}
	}
	if len(tags) == 0 {
		return r.AppVersion
	}
	return strings.Join(tags, ",")
}
