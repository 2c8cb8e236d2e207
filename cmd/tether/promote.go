package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/xetys/tether/agent/status"
	"github.com/xetys/tether/render"
	"github.com/xetys/tether/render/config"
	"github.com/xetys/tether/render/images"
	"github.com/xetys/tether/source/git"
)

type promoteFlags struct {
	editFlags
	from, to string
}

func newPromote(s *shared) *cobra.Command {
	f := &promoteFlags{editFlags: editFlags{shared: s}}
	cmd := &cobra.Command{
		Use:   "promote --from ENVIRONMENT --to ENVIRONMENT [RELEASE...]",
		Short: "Have git say that one environment runs the images that another does",
		Long: `Copy the image tags of one environment's releases to another's, in one commit. What is
copied is what runs: the cluster is asked, and a release of --from is taken at the commit
whose content runs, if it is deployed, healthy and not behind git. Releases are matched by
their names, values by their keys; each key that decides an image in --to gets the value
that it has in --from. All else of the two environments stays as it is: values, chart
versions, replicas.

Without a RELEASE all that both environments have are taken, and those that are not well
are left out, which is told; one that is named and not well is an error. The commit's
message says where it comes from, in a trailer: Promoted-From: ENVIRONMENT@COMMIT.

Without --write or --commit a patch is printed, as git apply takes it.`,
		Example: `  tether promote --from development --to production
  tether promote --from development --to production web --commit --push`,
		ValidArgsFunction: func(cmd *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
			return s.completeReleases(cmd, []string{f.to}, begun)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.promote(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), args)
		},
	}
	f.register(cmd)
	cmd.Flags().StringVar(&f.from, "from", "", "the environment whose images are taken")
	cmd.Flags().StringVar(&f.to, "to", "", "the environment that gets them")
	for _, name := range []string{"from", "to"} {
		_ = cmd.RegisterFlagCompletionFunc(name, func(cmd *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) { // fails only for unknown flags
			return s.completeEnvironments(cmd, nil, begun)
		})
	}
	return cmd
}

func (f *promoteFlags) promote(ctx context.Context, w, progress io.Writer, names []string) error {
	if f.from == "" || f.to == "" || f.from == f.to {
		return usageError{fmt.Errorf("--from %q and --to %q: name two environments", f.from, f.to)}
	}
	r, env, _, err := f.open(f.to, "")
	if err != nil {
		return err
	}
	well, err := f.well(ctx, progress, env, names)
	if err != nil {
		return err
	}
	var told []change
	var changes []*images.Change
	for _, release := range well {
		more, err := f.release(ctx, r, release)
		if err != nil {
			return err
		}
		for _, c := range more {
			told, changes = append(told, changeOf(f.to, release.Name, c)), append(changes, c)
			r = r.With(c)
		}
	}
	if len(changes) == 0 {
		fmt.Fprintf(progress, "%s has the images of %s already\n", f.to, f.from)
		return f.show(w, nil, nil)
	}
	f.message = f.text(well, told)
	return f.carryOut(ctx, w, progress, told, images.Merge(changes))
}

// text is the commit's message: what somebody wrote, or what is promoted; and where that
// comes from.
func (f *promoteFlags) text(well []status.ReleaseStatus, told []change) string {
	var b strings.Builder
	var names, trailers []string
	for _, c := range told {
		if !slices.Contains(names, c.Release) {
			names = append(names, c.Release)
		}
	}
	fmt.Fprintf(&b, "%s: promote %s from %s\n\n", f.to, strings.Join(names, ", "), f.from)
	for _, c := range told {
		fmt.Fprintf(&b, "%s: %s %s -> %s\n", c.File, c.Key, orNone(c.From), c.To)
	}
	for _, r := range well {
		if from := fmt.Sprintf("Promoted-From: %s@%s", f.from, r.Commit); slices.Contains(names, r.Name) && !slices.Contains(trailers, from) {
			trailers = append(trailers, from)
		}
	}
	return withTrailers(cmp.Or(f.message, b.String()), trailers)
}

// well are the releases of --from that may be promoted: those that --to has too, or those
// that were named.
func (f *promoteFlags) well(ctx context.Context, progress io.Writer, to *render.Environment, names []string) ([]status.ReleaseStatus, error) {
	c, err := f.cluster(f.from)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	rules, unread := f.rulesOf(f.from)
	c.Judge.SetRules(rules)
	st, err := status.Read(ctx, c, f.namespace, time.Now())
	if err != nil {
		return nil, err
	}
	if text := f.withoutRules(st.HealthRules, unread); text != "" {
		fmt.Fprintf(progress, "! %s\n", oneLine(text))
	}
	for _, name := range names {
		if !slices.ContainsFunc(st.Releases, func(r status.ReleaseStatus) bool { return r.Name == name }) {
			return nil, usageError{fmt.Errorf("no release %s runs in environment %s", name, f.from)}
		}
		if !slices.ContainsFunc(to.Releases, func(r config.ReleaseSpec) bool { return r.Name == name }) {
			return nil, usageError{fmt.Errorf("environment %s has no release %s; it has %s", f.to, name, namesOf(to))}
		}
	}
	var out []status.ReleaseStatus
	for _, r := range st.Releases {
		both := slices.ContainsFunc(to.Releases, func(s config.ReleaseSpec) bool { return s.Name == r.Name })
		if !both || len(names) > 0 && !slices.Contains(names, r.Name) {
			continue
		}
		why := r.NotWell()
		switch {
		case why == "":
			out = append(out, r)
		case len(names) > 0:
			return nil, fmt.Errorf("release %s of %s can't be promoted: %s", r.Name, f.from, why)
		default:
			fmt.Fprintf(progress, "release %s of %s is left out: %s\n", r.Name, f.from, why)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("nothing of %s can be promoted to %s", f.from, f.to)
	}
	return out, nil
}

// release returns the changes that give a release of --to the images that run in --from.
func (f *promoteFlags) release(ctx context.Context, to *images.Repository, well status.ReleaseStatus) ([]*images.Change, error) {
	rev, err := git.OpenLocal(rootOf(f.repo), well.Commit)
	if err != nil {
		return nil, fmt.Errorf("release %s of %s runs commit %.7s, which the checkout does not have, fetch it first: %w", well.Name, f.from, well.Commit, err)
	}
	from := &images.Repository{Files: rev.Files, Renderer: to.Renderer, Options: to.Options}
	return to.Promote(ctx, f.to, from, f.from, well.Name)
}
