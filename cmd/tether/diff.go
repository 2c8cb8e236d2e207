package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/xetys/tether/agent/assess"
	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/render"
	"github.com/xetys/tether/render/config"
	"github.com/xetys/tether/source/git"
	"github.com/xetys/tether/source/printable"
)

type diffFlags struct {
	*renderFlags
	from, base string
	live       bool
	server     serverFlags

	rendering render.Config
	main      string // the main branch, if the start is where it was left
}

// longDiff is the help of tether diff.
const longDiff = `Show what a revision of the config repository would change in the environments that
are named, or in all of them, object by object and field by field, with the images
that change and what is to be looked at first: what is deleted, created anew or can't
be changed, kinds, hooks that run, numbers of pods, namespaces. The values of Secrets
are masked.

Without --live two revisions are rendered and compared; no cluster is asked, as
in tether render. The second is the working tree of --repo, or --to. The first is
where that left the main branch: its merge base with origin/HEAD (or with the branch
of --branch, if there is none), or with --base; or it is the revision --from itself.
So in a pull request's job, with the whole history fetched:

  tether diff -o markdown

--from and --to take a time too, with @ before it: what ran then, by the ledger or
else by git (which is said). --at is the same as --from, for a time or a commit.

With --live the working tree, or --to, is compared with the cluster: it is what the
agent would do if that were the branch's head now, by server-side dry-runs, drift
included. Deploy windows, pauses and the prune budget are left out. Fields that
people's tools added are shown and count as no difference, unless drift is strict.

With --live and --server an agent's read API says what runs: each release is compared
with the commit whose content runs, rendered from --repo, and its drift is told as the
agent found it. That takes no right on the cluster's objects or Secrets. No dry-run is
sent: what the API server would refuse is not known, nor what admission changes.

-o markdown is for a comment on a pull request: folded, a line for each release, and
never longer than such a comment may be; what was left out is said.

Registries and chart repositories are asked for the charts that come from there, but
for what is pinned by digest and was fetched before.

Exit codes: 0 nothing would change; 1 there are differences; 2 bad usage, or what
is compared would be refused.`

func newDiff(s *shared) *cobra.Command {
	f := &diffFlags{renderFlags: &renderFlags{shared: s}}
	cmd := &cobra.Command{
		Use:   "diff [ENVIRONMENT...]",
		Short: "Show what a revision would change",
		Long:  longDiff,
		Example: `  tether diff
  tether diff production --from HEAD --to origin/topic
  tether diff production --from @2026-11-24T14:02Z
  tether diff production --live`,
		ValidArgsFunction: s.completeEnvironments,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.timed(cmd.Context(), cmd.ErrOrStderr(), args, time.Now()); err != nil {
				return err
			}
			return f.run(cmd.Context(), cmd.OutOrStdout(), args)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.from, "from", "", "the revision to compare with (default: where what is looked at left the main branch)")
	fl.StringVar(&f.base, "base", "", "the main branch, to compare with where that was left (default origin/HEAD)")
	fl.StringVar(&f.revision, "to", "", "the revision to look at instead of the working tree")
	fl.StringVar(&f.revision, "revision", "", "the same as --to")
	f.charts.register(fl)
	fl.StringVar(&f.when, "at", "", "what has changed since a time (2026-11-24T14:02Z, 14:02, 2h) or a commit")
	fl.BoolVar(&f.live, "live", false, "compare with the cluster")
	f.server.register(fl)
	f.sops.registerSecrets(fl)
	fl.StringVar(&f.kubeVersion, "kube-version", "", "the Kubernetes version that charts see offline")
	fl.StringSliceVar(&f.apiVersions, "api-versions", nil, "APIs that charts see offline, beside the built-in ones")
	return cmd
}

// timed has --at, and times in --from and --to, name revisions. What ran then is the
// environment's: one has to be named.
func (f *diffFlags) timed(ctx context.Context, errs io.Writer, named []string, now time.Time) error {
	if f.when != "" {
		if f.from != "" || f.base != "" {
			return usageError{errors.New("--at is what is compared with: leave --from and --base out")}
		}
		f.from = f.when
		if at, err := parseMoment(f.when, now); err != nil {
			return err
		} else if at.commit == "" {
			f.from = "@" + strings.TrimPrefix(f.when, "@")
		}
	}
	for _, rev := range []*string{&f.from, &f.revision} {
		if !strings.HasPrefix(*rev, "@") || *rev == "@" || strings.HasPrefix(*rev, "@{") { // as git has it
			continue
		}
		if len(named) != 1 {
			return usageError{fmt.Errorf("%s is what ran in an environment: name one", *rev)}
		}
		sha, note, err := f.revisionAt(ctx, named[0], *rev, now)
		if err != nil {
			return err
		}
		if *rev = sha; note != "" {
			fmt.Fprintln(errs, note)
		}
	}
	return nil
}

func (f *diffFlags) run(ctx context.Context, w io.Writer, named []string) error {
	if err := f.checkServer(); err != nil {
		return err
	}
	if f.live && (f.from != "" || f.base != "" || f.kubeVersion != "" || len(f.apiVersions) > 0) {
		return usageError{errors.New("--live compares with the cluster: leave --from, --base, --kube-version and --api-versions out")}
	}
	to, err := f.files(f.revision)
	if err != nil {
		return err
	}
	var from fs.FS
	if !f.live {
		if from, err = f.start(); err != nil {
			return err
		}
	}
	names, err := environmentsOf(named, from, to)
	if err != nil {
		return err
	}
	if f.rendering, err = f.charts.rendering(""); err != nil {
		return err
	}
	all := make([]*assess.Difference, len(names))
	for i, name := range names {
		if all[i], err = f.difference(ctx, from, to, name); err != nil {
			return err
		}
	}
	if err := f.show(w, all, len(named) == 1); err != nil {
		return err
	}
	return outcomeOf(all)
}

// outcomeOf is the exit code of what was printed.
func outcomeOf(all []*assess.Difference) error {
	var refused []string
	differs := false
	for _, d := range all {
		if len(d.Refusals) > 0 {
			refused = append(refused, fmt.Sprintf("environment %s would be refused: %s", d.Environment, strings.Join(d.Refusals, "; ")))
		}
		differs = differs || d.Any()
	}
	switch {
	case len(refused) > 0:
		return usageError{errors.New(strings.Join(refused, "\n"))}
	case differs:
		return errDifferences
	}
	return nil
}

// start opens the revision that is compared with, and leaves its name in from.
func (f *diffFlags) start() (fs.FS, error) {
	if f.from != "" && f.base != "" {
		return nil, usageError{errors.New("--from is a revision, and --base a branch that was left: give one of them")}
	}
	if f.from == "" {
		mains := []string{f.base}
		if f.base == "" {
			mains = []string{"refs/remotes/origin/HEAD", "refs/remotes/origin/" + f.branch, "refs/heads/" + f.branch}
		}
		sha, main, err := git.Base(rootOf(f.repo), cmp.Or(f.revision, "HEAD"), mains...)
		if err != nil {
			return nil, usageError{fmt.Errorf("--repo %s: %w; --base names the main branch, and --from a revision to compare with", f.repo, err)}
		}
		f.from, f.main = sha, strings.TrimPrefix(strings.TrimPrefix(main, "refs/remotes/"), "refs/heads/")
	}
	return f.files(f.from)
}

// environmentsOf returns the environments that were named, if the repository has or had
// them, or all that it has or had.
func environmentsOf(named []string, trees ...fs.FS) ([]string, error) {
	var known []string
	var err error
	for _, tree := range trees {
		if tree != nil {
			var names []string
			names, err = config.Environments(tree)
			known = append(known, names...)
		}
	}
	if len(known) == 0 && err != nil {
		return nil, err
	}
	slices.Sort(known)
	known = slices.Compact(known)
	for _, name := range named {
		if !slices.Contains(known, name) {
			return nil, noEnvironment(name, known)
		}
	}
	if len(named) == 0 {
		return known, nil
	}
	return named, nil
}

// noEnvironment says that the repository has no environment of a name.
func noEnvironment(name string, known []string) error {
	return usageError{fmt.Errorf("the repository has no environment %s%s", name, ledger.SuggestNames(name, known))}
}

// difference compares one environment. What is refused is told with the others.
func (f *diffFlags) difference(ctx context.Context, from, to fs.FS, environment string) (*assess.Difference, error) {
	d, err := f.compare(ctx, from, to, environment)
	var problems config.Problems
	var broken *render.RenderError
	var away *render.AwayError
	if !errors.As(err, &away) && (errors.As(err, &problems) || errors.As(err, &broken)) {
		d, err = &assess.Difference{Environment: environment, Releases: []assess.ReleaseDifference{}, Refusals: strings.Split(err.Error(), "\n")}, nil
	}
	if err != nil {
		return nil, err
	}
	d.From, d.To, d.Base = f.from, cmp.Or(f.revision, "the working tree"), f.main
	if f.live {
		d.From = "the cluster"
	}
	if f.server.url != "" {
		d.From = "the cluster, as the agent at " + f.server.url + " tells"
	}
	return d, nil
}

func (f *diffFlags) compare(ctx context.Context, from, to fs.FS, environment string) (*assess.Difference, error) {
	if f.live && f.server.url == "" {
		return f.preview(ctx, to, environment)
	}
	config, err := f.sops.config(nil, environment, f.namespace)
	if err != nil {
		return nil, err
	}
	config.Lenient, config.Charts = true, f.rendering.Charts
	if f.live {
		return f.byServer(ctx, config, to, environment)
	}
	return assess.Between(ctx, config, from, to, environment, render.Options{Revision: 1,
		Capabilities: render.OfflineCapabilities(f.kubeVersion, f.apiVersions)})
}

func (f *diffFlags) preview(ctx context.Context, to fs.FS, environment string) (*assess.Difference, error) {
	c, err := f.cluster(environment)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	keys, err := f.sops.keys()
	if err != nil {
		return nil, err
	}
	return assess.Preview(ctx, c, f.rendering, to, f.namespace, keys)
}

// show prints the differences: one environment that was named as itself, else a list.
func (f *diffFlags) show(w io.Writer, all []*assess.Difference, one bool) error {
	if f.output == "markdown" {
		_, err := io.WriteString(printable.Writer(w), markdownOf(all))
		return err
	}
	var v any = all
	if one {
		v = all[0]
	}
	return f.print(w, v, func(w io.Writer) error {
		for i, d := range all {
			if i > 0 {
				fmt.Fprintln(w)
			}
			if _, err := io.WriteString(w, textOfDiff(d)); err != nil {
				return err
			}
		}
		return nil
	})
}
