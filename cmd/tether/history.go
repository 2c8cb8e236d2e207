package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/agent/status"
)

type historyFlags struct {
	*shared
	server serverFlags
	since  string
	limit  int
	export bool
	at     string
	around time.Duration
}

func newHistory(s *shared) *cobra.Command {
	f := &historyFlags{shared: s}
	cmd := &cobra.Command{
		Use:   "history ENVIRONMENT [RELEASE]",
		Short: "Verdicts by commit, and what people and the agent did besides; or revisions of one release",
		Long: `Print what became of each commit in an environment, newest first, who wrote it and
what a rollback undid; and between the commits what was done without one: pauses,
resumes, syncs, confirmations, and drift that was put back. With the name of a
release, print the revisions of that release. It is read from the cluster and works
with the agent down.

With --at, print all that is known around a moment on one time line, oldest first:
commits and their verdicts, pauses and what else people asked for, drift that was put
back, releases that became unhealthy or healthy again, and what the agent told of other
drift, as long as the cluster keeps events.

With --export each line is a JSON object of its own, for an audit.`,
		Example: `  tether history production --since 24h
  tether history production --at 14:02 --around 1h
  tether history production --export --since 2026-01-01 >> audit.jsonl`,
		Args:              cobra.RangeArgs(1, 2),
		ValidArgsFunction: s.completeEnvironments,
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.run(cmd.Context(), cmd.OutOrStdout(), args, time.Now())
		},
	}
	f.server.register(cmd.Flags())
	cmd.Flags().StringVar(&f.since, "since", "", "only what happened since: a duration like 24h or 30d, a day, or a time in RFC 3339")
	cmd.Flags().IntVar(&f.limit, "limit", 0, "at the most so many lines, the newest; 0 for all")
	cmd.Flags().StringVar(&f.at, "at", "", "what went on around a time (2026-11-24T14:02Z, 14:02, 2h) or around when a commit was made")
	cmd.Flags().DurationVar(&f.around, "around", time.Hour, "how long before and after --at")
	cmd.Flags().BoolVar(&f.export, "export", false, "a JSON object a line")
	return cmd
}

func (f *historyFlags) run(ctx context.Context, w io.Writer, args []string, now time.Time) error {
	if f.at != "" {
		if err := f.checkAround(args); err != nil {
			return err
		}
		return f.aroundMoment(ctx, w, args[0], now)
	}
	since, err := parseSince(f.since, now)
	if err != nil {
		return err
	}
	if f.limit < 0 {
		return usageError{fmt.Errorf("--limit %d: use 0 or more", f.limit)}
	}
	if len(args) == 2 {
		if f.export {
			return usageError{errors.New("--export is for a whole environment: leave the release out")}
		}
		return f.revisions(ctx, w, args[0], args[1], since)
	}
	l, control, err := f.read(ctx, args[0], since)
	if err != nil {
		return err
	}
	story := l.History(control, since, f.limit)
	if f.export {
		return export(w, args[0], story)
	}
	return f.print(w, withActs(story), func(w io.Writer) error { return historyTable(w, story, l) })
}

// read returns the ledger and what people asked for: of the server, or of the cluster.
func (f *historyFlags) read(ctx context.Context, environment string, since time.Time) (*ledger.Ledger, ledger.Control, error) {
	if f.server.url != "" {
		server, err := f.server.client()
		if err != nil {
			return nil, ledger.Control{}, err
		}
		l, err := server.Ledger(ctx, environment, since)
		return l, ledger.Control{}, err
	}
	c, err := f.cluster(environment)
	if err != nil {
		return nil, ledger.Control{}, err
	}
	l, err := ledger.Read(ctx, c, f.namespace)
	if err != nil {
		return nil, ledger.Control{}, err
	}
	control, err := ledger.ReadControl(ctx, c, f.namespace)
	return l, control, err
}

// entryWithActs is a commit, and what was done without one after it came.
type entryWithActs struct {
	ledger.Entry
	Acts []ledger.Act `json:"acts,omitempty"`
}

// withActs gives each act to the commit that was the newest when it happened; what
// happened before all of them goes to the oldest.
func withActs(story []ledger.HistoryItem) []entryWithActs {
	out := []entryWithActs{}
	var waiting []ledger.Act
	for _, m := range story {
		if m.Act != nil {
			waiting = append(waiting, *m.Act)
			continue
		}
		out, waiting = append(out, entryWithActs{*m.Entry, waiting}), nil
	}
	if n := len(out); n > 0 {
		out[n-1].Acts = append(out[n-1].Acts, waiting...)
	}
	return out
}

func export(w io.Writer, environment string, story []ledger.HistoryItem) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	for _, m := range story {
		var line any = struct {
			Environment string `json:"environment"`
			Kind        string `json:"kind"`
			*ledger.Entry
		}{environment, "commit", m.Entry}
		if m.Act != nil {
			line = struct {
				Environment string `json:"environment"`
				*ledger.Act
			}{environment, m.Act}
		}
		if err := enc.Encode(line); err != nil {
			return err
		}
	}
	return nil
}

// historyTable prints one line a commit or act, and reasons below: they are long, and
// would make every column as wide.
func historyTable(w io.Writer, story []ledger.HistoryItem, l *ledger.Ledger) error {
	var table strings.Builder
	t := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "COMMIT\tSTARTED\tTOOK\tVERDICT\tAUTHOR\tSUBJECT\tRELEASES")
	for _, m := range story {
		if m.Act != nil {
			a := m.Act
			fmt.Fprintf(t, "%s\t%s\t-\t%s\t%s\t%s\t%s\n", shortCommit(a.Commit), stamp(a.At), a.Kind, nameOf(a.By), actText(a), a.Release)
			continue
		}
		e, took := m.Entry, "-"
		if e.Finished != nil {
			took = e.Finished.Sub(e.Started).Round(time.Second).String()
		}
		var releases []string
		for _, r := range e.Releases {
			releases = append(releases, fmt.Sprintf("%s: %s %s", r.Name, r.Action, r.Outcome))
		}
		fmt.Fprintf(t, "%.7s\t%s\t%s\t%s\t%s\t%s\t%s\n", e.Commit.Commit, stamp(e.Started), took, e.Verdict, nameOf(e.Author), oneLine(e.Subject), strings.Join(releases, ", "))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	header, lines, _ := strings.Cut(table.String(), "\n")
	fmt.Fprintln(w, header)
	for i, line := range strings.SplitAfter(lines, "\n")[:len(story)] {
		fmt.Fprint(w, line)
		for _, text := range below(story[i], l) {
			fmt.Fprintf(w, "         %s\n", text)
		}
	}
	return nil
}

// below is what is said under a line.
func below(m ledger.HistoryItem, l *ledger.Ledger) []string {
	if m.Act != nil {
		if m.Act.Reason == "" {
			return nil
		}
		return []string{oneLine(m.Act.Reason)}
	}
	var out []string
	if m.Entry.Reason != "" {
		out = append(out, oneLine(m.Entry.Reason))
	}
	for _, r := range m.Entry.Releases {
		if len(r.Undoes) == 0 {
			continue
		}
		var undone []string
		for _, commit := range r.Undoes {
			text := fmt.Sprintf("%.7s", commit)
			if e := l.Entry(commit); e != nil {
				text += fmt.Sprintf(" (%s)", shortLine(e.Subject))
			}
			undone = append(undone, text)
		}
		out = append(out, fmt.Sprintf("%s: undid %s", r.Name, strings.Join(undone, ", ")))
	}
	return out
}

func actText(a *ledger.Act) string {
	switch {
	case !a.Until.IsZero():
		return "until " + stamp(a.Until)
	case a.Times > 1:
		return fmt.Sprintf("%d times, the last at %s", a.Times, stamp(a.Last))
	}
	return "-"
}

// readRevisions returns the records of a release: of the server, or of the cluster.
func (s *historyFlags) readRevisions(ctx context.Context, environment, release string) ([]status.Revision, error) {
	if s.server.url != "" {
		server, err := s.server.client()
		if err != nil {
			return nil, err
		}
		return server.Revisions(ctx, environment, release)
	}
	c, err := s.cluster(environment)
	if err != nil {
		return nil, err
	}
	return status.ReadRevisions(ctx, c, s.namespace, release)
}

func (s *historyFlags) revisions(ctx context.Context, w io.Writer, environment, release string, since time.Time) error {
	revisions, err := s.readRevisions(ctx, environment, release)
	if err != nil {
		return err
	}
	revisions = slices.DeleteFunc(revisions, func(r status.Revision) bool { return r.Updated.Before(since) })
	if s.limit > 0 && len(revisions) > s.limit {
		revisions = revisions[:s.limit]
	}
	return s.print(w, revisions, func(w io.Writer) error {
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "REVISION\tUPDATED\tSTATUS\tACTION\tCHART VERSION\tAPP VERSION\tCOMMIT\tDESCRIPTION")
		for _, r := range revisions {
			fmt.Fprintf(t, "%d\t%s\t%s\t%s\t%s\t%s\t%.7s\t%s\n", r.Revision, stamp(r.Updated), r.Status, r.Action, r.ChartVersion, r.AppVersion, r.Commit, oneLine(r.Description))
		}
		return t.Flush()
	})
}
