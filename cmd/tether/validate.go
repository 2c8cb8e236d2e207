package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"github.com/xetys/tether/render"
	"github.com/xetys/tether/render/config"
)

// checked is what validate says of one environment.
type checked struct {
	Environment string   `json:"environment"`
	Valid       bool     `json:"valid"`
	Releases    []string `json:"releases"`
	Problems    []string `json:"problems"`
	// Issues are the problems by file and line.
	Issues []issue `json:"issues"`
	// Notes say what was not checked, and why.
	Notes []string `json:"notes"`

	away bool // what it needs from elsewhere can't be had now
}

// issue is one problem, and where it stands as far as that is known.
type issue struct {
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	Message string `json:"message"`
}

// refuse enters what is wrong.
func (c *checked) refuse(err error) {
	c.Problems = append(c.Problems, strings.Split(err.Error(), "\n")...)
	for _, p := range render.ProblemsOf(err) {
		c.Issues = append(c.Issues, issue{p.File, p.Line, p.Column, p.Message})
	}
}

func newValidate(s *shared) *cobra.Command {
	var revision string
	var outside outsideFlags
	cmd := &cobra.Command{
		Use:   "validate [ENVIRONMENT...]",
		Short: "Check a config repository, with file and line",
		Long: `Check every environment of a config repository, or the named ones: what
environment.yaml says, that charts and values exist and stay in the repository,
that values fit the charts' schemas, that everything renders, and that the
environment's rules (versioning, secrets) allow it. Nothing is
asked of a cluster; registries and chart repositories are asked for the charts that
come from there, but for what is pinned by digest and was fetched before. All
problems are printed, not only the first. Values that are encrypted with SOPS are
checked with their key; without, and where values lie in the cluster, a note says
what was not checked. With -o json each problem has its file, line and column, as far
as they are known: also of a value that a schema refuses.

It reads the working tree of --repo as it stands, or a commit with --revision.`,
		ValidArgsFunction: s.completeEnvironments,
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.validate(cmd.Context(), cmd.OutOrStdout(), &outside, revision, args)
		},
	}
	cmd.Flags().StringVar(&revision, "revision", "", "read this commit instead of the working tree")
	outside.sops.register(cmd.Flags())
	outside.charts.register(cmd.Flags())
	return cmd
}

// outsideFlags say how what a repository refers to is had.
type outsideFlags struct {
	sops   sopsFlags
	charts chartFlags
}

func (s *shared) validate(ctx context.Context, w io.Writer, outside *outsideFlags, revision string, names []string) error {
	files, err := s.files(revision)
	if err != nil {
		return err
	}
	if names, err = environmentsOf(names, files); err != nil {
		return err
	}
	rendering, err := outside.charts.rendering("")
	if err != nil {
		return err
	}
	var results []checked
	bad, away := 0, false
	for _, name := range names {
		config, err := outside.sops.config(nil, name, s.namespace)
		if err != nil {
			return err
		}
		config.Lenient, config.Charts = true, rendering.Charts
		c := check(ctx, config, files, name)
		if !c.Valid {
			bad++
		}
		away = away || c.away
		results = append(results, c)
	}
	if err := s.print(w, results, func(w io.Writer) error { return tableOfChecks(w, results) }); err != nil {
		return err
	}
	if away {
		return errors.New("what lies elsewhere can't be had now: try again")
	}
	if bad > 0 {
		return usageError{fmt.Errorf("%d of %s refused", bad, plural(len(names), "environment"))}
	}
	return nil
}

// check loads, prepares and renders everything of one environment.
func check(ctx context.Context, with render.Config, files fs.FS, name string) checked {
	c := checked{Environment: name, Releases: []string{}, Problems: []string{}, Issues: []issue{}, Notes: []string{}}
	env, err := render.LoadEnvironment(files, name)
	if err != nil {
		c.refuse(err)
		return c
	}
	r := render.NewRenderer(with)
	opts := render.Options{Revision: 1, Capabilities: render.OfflineCapabilities("", nil)}
	for _, spec := range env.Releases {
		c.Releases = append(c.Releases, spec.Name)
		p, err := r.Prepare(ctx, files, env, spec)
		if err == nil {
			_, err = r.Render(ctx, p, opts)
			if c.Notes = append(c.Notes, p.Unread...); len(p.Unread) > 0 {
				note := "its values were not checked against the chart's schema"
				if env.Rules.EncryptedOnly {
					note += ", nor its Secrets for what is not encrypted"
				}
				var forbidden config.Problems
				if err != nil && !errors.As(err, &forbidden) {
					note, err = note+", and without them it can't be rendered", nil
				}
				c.Notes = append(c.Notes, "release "+spec.Name+": "+note)
			}
		}
		if err != nil {
			var away *render.AwayError
			c.away = c.away || errors.As(err, &away)
			c.refuse(err)
		}
	}
	c.Valid = len(c.Problems) == 0
	return c
}

func tableOfChecks(w io.Writer, results []checked) error {
	for _, c := range results {
		if c.Valid {
			if _, err := fmt.Fprintf(w, "environment %s: valid, %s\n", c.Environment, plural(len(c.Releases), "release")); err != nil {
				return err
			}
			for _, text := range c.Notes {
				if _, err := fmt.Fprintf(w, "  note: %s\n", text); err != nil {
					return err
				}
			}
			continue
		}
		if _, err := fmt.Fprintf(w, "environment %s: refused\n  %s\n", c.Environment, strings.Join(c.Problems, "\n  ")); err != nil {
			return err
		}
	}
	return nil
}
