package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/xetys/tether/agent/why"
	"github.com/xetys/tether/render"
	"github.com/xetys/tether/render/blame"
)

type blameFlags struct {
	*renderFlags
	server serverFlags
	live   bool
}

func newBlame(s *shared) *cobra.Command {
	f := &blameFlags{renderFlags: &renderFlags{shared: s}}
	cmd := &cobra.Command{
		Use:   "blame ENVIRONMENT [OBJECT [PATH]]",
		Short: "Who set each field of the cluster: commit, author, and the line of git where it is set",
		Long: `Print what an environment renders to, each line with the commit that gave it its
value, its author and date, and the place where it is set: the line of a values file,
of environment.yaml (values, a patch, the namespace), of a template, or the chart's own
values. Of one field, or few, all is told: every place that decides it, the commit's
verdict, and when it went live.

The commits of the repository are rendered, as far as they differ in what the release
is made of; renamed files, releases and environments are followed, and merged branches
gone into. Where a field is set is found by rendering with one value changed at a
time; several that decide are all told. A commit that can't be rendered is named, and
what it changed is told of the next one that can. Fields that are secret are told by
their place, never by their value.

Verdicts come from the ledger, if the cluster or --server can be reached. With --live
the object is compared with the cluster's: fields that differ or were added, by which
manager and when, and those that the cluster made.`,
		Example: `  tether blame production
  tether blame production deployment/web
  tether blame production deployment/web 'spec.template.spec.containers[name=web].image' --live`,
		Args:              cobra.RangeArgs(1, 3),
		ValidArgsFunction: f.complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.run(cmd.Context(), cmd.OutOrStdout(), args)
		},
	}
	fl := cmd.Flags()
	f.registerHistory(fl)
	fl.StringVar(&f.release, "release", "", "this release alone")
	fl.BoolVar(&f.live, "live", false, "compare with the cluster: drift, with manager and time, and what the cluster made")
	f.server.register(fl)
	return cmd
}

// blamed is what tether blame prints as JSON.
type blamed struct {
	Environment string            `json:"environment"`
	Commit      string            `json:"commit"`
	Releases    []blamedOne       `json:"releases"`
	Live        []blame.LiveField `json:"live,omitempty"`
	Notes       []string          `json:"notes,omitempty"`
}

// blamedOne is a release, and what became of the commits that it names.
type blamedOne struct {
	*blame.Release
	Commits []why.Commit `json:"commits"`
}

func (f *blameFlags) run(ctx context.Context, w io.Writer, args []string) error {
	b, head, err := f.open(args[0])
	if err != nil {
		return err
	}
	defer b.Cache.Trim()
	out := &blamed{Environment: args[0], Commit: head.SHA, Releases: []blamedOne{}}
	asked, err := f.asked(ctx, b, head, args)
	if err != nil {
		return err
	}
	l, unread := f.ledgerOf(ctx, args[0], f.server)
	if unread != "" {
		out.Notes = append(out.Notes, unread)
	}
	for _, a := range asked {
		rel, err := b.Release(ctx, head, args[0], a.Release, a.Query)
		if err != nil {
			return err
		}
		if len(rel.Objects) > 0 {
			out.Releases = append(out.Releases, blamedOne{rel, why.CommitsOf(rel, l)})
		}
		out.Notes = append(out.Notes, rel.Notes...)
	}
	if len(out.Releases) == 0 && len(args) == 3 {
		return usageError{fmt.Errorf("%s has no field %s: name one as tether blame %s %q prints it", args[1], args[2], args[0], args[1])}
	}
	if f.live {
		if err := f.compare(ctx, b, head, out); err != nil {
			return err
		}
		if len(args) == 3 {
			out.Live = slices.DeleteFunc(out.Live, func(l blame.LiveField) bool {
				return !blame.UnderPath(l.Path, args[2]) && !blame.UnderPath(args[2], l.Path)
			})
		}
	}
	slices.Sort(out.Notes)
	out.Notes = slices.Compact(out.Notes)
	return f.print(w, out, func(w io.Writer) error { return textOfBlame(w, out, len(args) == 3) })
}

// asked finds the releases that have what the arguments name.
func (f *blameFlags) asked(ctx context.Context, b *blame.Blamer, head *blame.Commit, args []string) ([]why.Asked, error) {
	if _, err := environmentsOf(args[:1], head.Files); err != nil {
		return nil, err
	}
	object, path := "", ""
	if len(args) > 1 {
		object = args[1]
	}
	if len(args) > 2 {
		path = args[2]
	}
	return asUsage(why.Find(ctx, b, head, args[0], f.release, object, path))
}

// asUsage tells names that nothing has from other trouble.
func asUsage[T any](v T, err error) (T, error) {
	if errors.As(err, new(*why.UnknownError)) {
		err = usageError{err}
	}
	return v, err
}

// complete offers environments, the objects of one, and the paths of an object.
func (f *blameFlags) complete(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return f.completeEnvironments(cmd, args, begun)
	}
	names, err := f.offered(cmd, args)
	if err != nil || len(args) > 2 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func (f *blameFlags) offered(cmd *cobra.Command, args []string) ([]string, error) {
	history, err := f.openPast()
	if err != nil {
		return nil, err
	}
	head, err := f.at(history)
	if err != nil {
		return nil, err
	}
	b, err := f.blamer(args[0], history)
	if err != nil {
		return nil, err
	}
	env, err := render.LoadEnvironment(head.Files, args[0])
	if err != nil {
		return nil, err
	}
	var out []string
	for _, spec := range env.Releases {
		objects, err := b.Objects(cmd.Context(), head, args[0], spec.Name)
		if err != nil {
			continue // the others can be completed
		}
		if len(args) == 1 {
			for _, o := range objects {
				out = append(out, typed(o))
			}
			continue
		}
		if objects, err = blame.MatchObjects(objects, args[1]); err == nil {
			paths, err := b.Paths(cmd.Context(), head, args[0], spec.Name, objects)
			if err != nil {
				return nil, err
			}
			out = append(out, paths...)
		}
	}
	return out, nil
}

// typed is an object's name as it is typed in one word: deployment.apps/prod/web.
func typed(object string) string {
	kind, name, _ := strings.Cut(object, " ")
	return strings.ToLower(kind) + "/" + name
}
