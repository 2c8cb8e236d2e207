package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/agent/status"
	"github.com/xetys/tether/render"
	"github.com/xetys/tether/render/manifest"
)

// statusAt is what ran in an environment at a moment: a contract with other programs.
type statusAt struct {
	Environment string `json:"environment"`
	// At is the moment, if it was given as a time.
	At time.Time `json:"at,omitzero"`
	ledger.Commit
	// Verdict and Live are the ledger's: what became of the commit, and since when it was
	// live; left out where the ledger does not go back so far.
	Verdict ledger.Verdict `json:"verdict,omitempty"`
	Live    *time.Time     `json:"live,omitempty"`
	// Until is when the next commit went live; left out if this one still is.
	Until    *time.Time  `json:"until,omitempty"`
	Releases []releaseAt `json:"releases"`
	Notes    []string    `json:"notes,omitempty"`
}

// releaseAt is a release as it was.
type releaseAt struct {
	Name         string   `json:"name"`
	Namespace    string   `json:"namespace"`
	Chart        string   `json:"chart"`
	ChartVersion string   `json:"chartVersion"`
	AppVersion   string   `json:"appVersion"`
	Images       []string `json:"images"`
	// Revision is that of Helm's record; 0 if there is none so old any more.
	Revision int `json:"revision,omitempty"`
	// Unrendered says why it could not be rendered.
	Unrendered string `json:"unrendered,omitempty"`
}

// statusAt prints what ran at a moment.
func (s *shared) statusAt(ctx context.Context, w io.Writer, environment, text string, f *renderFlags, now time.Time) error {
	at, err := parseMoment(text, now)
	if err != nil {
		return err
	}
	p, err := s.openPast()
	if err != nil {
		return err
	}
	l, why := s.ledgerOf(ctx, environment, serverFlags{})
	why = strings.TrimPrefix(why, untold)
	found, err := ranAt(p, "HEAD", l, why, at)
	if err != nil {
		return err
	}
	out := &statusAt{Environment: environment, At: at.time, Releases: []releaseAt{},
		Commit: ledger.Commit{Commit: found.SHA, Subject: found.Subject, Author: found.Author, Time: found.Time}}
	if found.How != "" {
		out.Notes = append(out.Notes, found.How)
	} else if l == nil {
		out.Notes = append(out.Notes, untold+why)
	}
	if e := found.Entry; e != nil {
		out.Verdict = e.Verdict
		if e.Verdict.Live() {
			out.Live, out.Until = e.Finished, followed(l, e)
		}
	}
	if err := releasesAt(ctx, out, found, f); err != nil {
		return err
	}
	if l != nil && !at.time.IsZero() {
		revisionsAt(ctx, s, out, at.time)
	}
	return s.print(w, out, func(w io.Writer) error { return tableOfStatusAt(w, out) })
}

// followed is when the next commit went live after an entry.
func followed(l *ledger.Ledger, e *ledger.Entry) *time.Time {
	for _, next := range l.Entries {
		if next.Verdict == ledger.Applied && next.Finished != nil && e.Finished != nil && next.Finished.After(*e.Finished) {
			return next.Finished
		}
	}
	return nil
}

// releasesAt renders the commit: what can't be rendered is said, and the others are told.
func releasesAt(ctx context.Context, out *statusAt, found *ran, f *renderFlags) error {
	if _, err := environmentsOf([]string{out.Environment}, found.Files); err != nil {
		return fmt.Errorf("at %.7s %w", found.SHA, err)
	}
	env, err := render.LoadEnvironment(found.Files, out.Environment)
	if err != nil {
		out.Notes = append(out.Notes, fmt.Sprintf("commit %.7s is refused, so that it is not known what it would run: %s", found.SHA, strings.Join(strings.Fields(err.Error()), " ")))
		return nil
	}
	b, err := f.blamer(out.Environment, nil)
	if err != nil {
		return err
	}
	for _, spec := range env.Releases {
		one := releaseAt{Name: spec.Name, Namespace: spec.Namespace, Chart: spec.Chart, Images: []string{}}
		rel, err := b.Rendered(ctx, found.Commit, out.Environment, spec.Name)
		if err != nil {
			one.Unrendered = strings.Join(strings.Fields(err.Error()), " ")
		} else {
			one.ChartVersion, one.AppVersion = rel.Chart.Version, rel.Chart.AppVersion
			one.Images = append(one.Images, manifest.Images(rel.Objects)...)
		}
		out.Releases = append(out.Releases, one)
	}
	return nil
}

// revisionsAt adds the revisions of Helm's records that were the newest at a time, of as
// many as are kept.
func revisionsAt(ctx context.Context, s *shared, out *statusAt, at time.Time) {
	c, err := s.cluster(out.Environment)
	if err != nil {
		return
	}
	defer c.Close()
	for i := range out.Releases {
		all, err := status.ReadRevisions(ctx, c, s.namespace, out.Releases[i].Name)
		if err != nil {
			continue // it has none any more
		}
		n := slices.IndexFunc(all, func(r status.Revision) bool {
			return !r.Updated.After(at) && (r.Status == "deployed" || r.Status == "superseded")
		})
		if n >= 0 {
			out.Releases[i].Revision = all[n].Revision
		}
	}
}

func tableOfStatusAt(w io.Writer, s *statusAt) error {
	fmt.Fprintf(w, "environment %s", s.Environment)
	if !s.At.IsZero() {
		fmt.Fprintf(w, " at %s", stamp(s.At))
	}
	fmt.Fprintf(w, "\ncommit      %.7s %s (%s, %s)", s.Commit.Commit, oneLine(s.Subject), oneLine(s.Author), stamp(s.Time))
	if s.Verdict != "" {
		fmt.Fprintf(w, ": %s", s.Verdict)
	}
	fmt.Fprintln(w)
	if s.Live != nil {
		until := "now"
		if s.Until != nil {
			until = stamp(*s.Until)
		}
		fmt.Fprintf(w, "live        from %s until %s\n", stamp(*s.Live), until)
	}
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "RELEASE\tCHART\tVERSION\tAPP VERSION\tREVISION\tIMAGES")
	for _, r := range s.Releases {
		revision := "-"
		if r.Revision > 0 {
			revision = fmt.Sprint(r.Revision)
		}
		images := strings.Join(r.Images, ", ")
		if r.Unrendered != "" {
			images = shortLine("can't be rendered: " + r.Unrendered)
		}
		fmt.Fprintf(t, "%s/%s\t%s\t%s\t%s\t%s\t%s\n", r.Namespace, r.Name, r.Chart, r.ChartVersion, r.AppVersion, revision, images)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, note := range s.Notes {
		fmt.Fprintf(w, "note: %s\n", note)
	}
	return nil
}
