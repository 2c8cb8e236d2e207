package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/xetys/tether/agent/assess"
	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/render/absorb"
	"github.com/xetys/tether/render/blame"
)

type absorbFlags struct{ editFlags }

func newAbsorb(s *shared) *cobra.Command {
	f := &absorbFlags{editFlags{shared: s}}
	cmd := &cobra.Command{
		Use:   "absorb ENVIRONMENT [OBJECT [PATH]]",
		Short: "Bring an edit that was made by hand into git",
		Long: `Find where in the repository a change belongs that somebody made in the cluster (drift,
or a field beside what is rendered), and write it there. Without an OBJECT all such
changes of the environment are taken; PATH is a field of it, with what is below.

A value is looked for, by rendering, whose change renders exactly what is live and
changes nothing else of the environment; comments and order of its file stay. Where no
value does, the release gets a patch in environment.yaml. Each is proven before it is
offered: the environment is valid with it, it renders what is live in these fields, and
no other object changes. What holds a secret, or may hold one, is refused, and so is
what validate refuses; it is said of each field why. What can be absorbed is, all the same.

In an emergency: pause the environment, edit, absorb, and resume; git then asks for what
runs, and is at no moment in the way of it.

Without --write or --commit a patch is printed, as git apply takes it. A commit tells
where it comes from, in trailers: Absorbed-From: OBJECT, MANAGER, TIME.

Exit codes: 0 all was absorbed, or there is nothing; 1 something was not; 2 bad usage.`,
		Example: `  tether absorb production
  tether absorb production deployment/web --commit --push
  tether absorb production deployment/web spec.replicas | git apply`,
		Args:              cobra.RangeArgs(1, 3),
		ValidArgsFunction: f.complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.absorb(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), args)
		},
	}
	f.register(cmd)
	return cmd
}

// absorbed is what tether absorb prints as JSON: a contract with other programs.
type absorbed struct {
	Environment string         `json:"environment"`
	Absorbed    []absorb.Field `json:"absorbed"`
	Left        []absorb.Field `json:"left"`
	// Patch is the change of the repository, as git apply takes it.
	Patch string `json:"patch"`
}

func (f *absorbFlags) absorber(environment string) (*absorb.Absorber, error) {
	r, _, _, err := f.open(environment, "")
	if err != nil {
		return nil, err
	}
	return &absorb.Absorber{Files: r.Files, Renderer: r.Renderer, Options: r.Options}, nil
}

func (f *absorbFlags) absorb(ctx context.Context, w, progress io.Writer, args []string) error {
	files, err := f.files("")
	if err != nil {
		return err
	}
	if _, err := environmentsOf(args[:1], files); err != nil {
		return err
	}
	a, err := f.absorber(args[0])
	if err != nil {
		return err
	}
	edits, err := f.edits(ctx, a, args)
	if err != nil {
		return err
	}
	found, err := a.Absorb(ctx, args[0], edits)
	if err != nil {
		return err
	}
	out := &absorbed{Environment: args[0], Absorbed: found.Absorbed, Left: found.Left}
	for _, c := range found.Changes {
		text, err := patchOf(c)
		if err != nil {
			return err
		}
		out.Patch += text
	}
	tellAbsorbed(progress, out)
	if (f.write || f.git.commit) && len(found.Changes) > 0 {
		f.git.dir, f.git.branch = rootOf(f.repo), f.branch
		if err := f.git.carryOut(ctx, progress, found.Changes, messageOf(out, f.message)); err != nil {
			return err
		}
	}
	if err := f.print(w, out, func(w io.Writer) error {
		if f.write || f.git.commit {
			return nil
		}
		_, err := io.WriteString(w, out.Patch)
		return err
	}); err != nil {
		return err
	}
	if len(out.Left) > 0 {
		return errDifferences
	}
	return nil
}

// edits are what was changed by hand, as far as it is asked for.
func (f *absorbFlags) edits(ctx context.Context, a *absorb.Absorber, args []string) ([]absorb.Edit, error) {
	named, err := f.named(ctx, a, args)
	if err != nil {
		return nil, err
	}
	c, err := f.cluster(args[0])
	if err != nil {
		return nil, err
	}
	defer c.Close()
	rendering, err := f.outside.charts.rendering("")
	if err != nil {
		return nil, err
	}
	keys, err := f.outside.sops.keys()
	if err != nil {
		return nil, err
	}
	all, err := assess.Edits(ctx, c, rendering, a.Files, f.namespace, keys)
	if err != nil {
		return nil, err
	}
	var out []absorb.Edit
	for _, e := range all {
		if len(args) > 1 && !slices.Contains(named, e.ID.String()) {
			continue
		}
		one := absorb.Edit{Release: e.Release, ID: e.ID, Live: e.Live}
		for _, field := range e.Fields {
			if len(args) < 3 || blame.UnderPath(field.Path, args[2]) || blame.UnderPath(args[2], field.Path) {
				one.Fields = append(one.Fields, field)
			}
		}
		if len(one.Fields) > 0 || one.Live == nil {
			out = append(out, one)
		}
	}
	return out, nil
}

// named are the objects that somebody asked for; one that git does not render is an error.
func (f *absorbFlags) named(ctx context.Context, a *absorb.Absorber, args []string) ([]string, error) {
	if len(args) < 2 {
		return nil, nil
	}
	known, err := a.Objects(ctx, args[0])
	if err != nil {
		return nil, err
	}
	named, err := blame.MatchObjects(known, args[1])
	if errors.As(err, new(*blame.UnknownError)) {
		err = fmt.Errorf("environment %s renders no %s%s", args[0], args[1], ledger.SuggestNames(args[1], known))
	}
	if err != nil {
		return nil, usageError{err}
	}
	return named, nil
}

// tellAbsorbed says of each field where it went, or why it did not.
func tellAbsorbed(w io.Writer, out *absorbed) {
	line := func(f absorb.Field, rest string) {
		fmt.Fprintf(w, "%s: %s -> %s by %s: %s\n", strings.TrimSpace(f.Object+" "+f.Path), f.Want, f.Have, cmp.Or(f.Manager, "nobody known"), oneLine(rest))
	}
	for _, f := range out.Absorbed {
		where := f.File + ": " + f.Key
		if f.Why != "" {
			where += " (" + f.Why + ")"
		}
		line(f, where)
	}
	for _, f := range out.Left {
		line(f, "not absorbed: "+f.Why)
	}
	if len(out.Absorbed)+len(out.Left) == 0 {
		fmt.Fprintln(w, "nothing was changed by hand")
	}
}

// messageOf is the commit's message: what somebody wrote, or what is absorbed; and a trailer
// for each object and manager.
func messageOf(out *absorbed, written string) string {
	var objects, trailers []string
	var b strings.Builder
	for _, f := range out.Absorbed {
		fmt.Fprintf(&b, "%s %s: %s -> %s\n", f.Object, f.Path, f.Want, f.Have)
		since := "unknown"
		if !f.Since.IsZero() {
			since = f.Since.UTC().Format(time.RFC3339)
		}
		trailer := fmt.Sprintf("Absorbed-From: %s, %s, %s", f.Object, cmp.Or(f.Manager, "unknown"), since)
		if !slices.Contains(trailers, trailer) {
			trailers = append(trailers, trailer)
		}
		if !slices.Contains(objects, f.Object) {
			objects = append(objects, f.Object)
		}
	}
	subject := fmt.Sprintf("%s: absorb %s", out.Environment, plural(len(objects), "object"))
	if len(objects) == 1 {
		subject = fmt.Sprintf("%s: absorb %s", out.Environment, objects[0])
	}
	return withTrailers(cmp.Or(written, subject+"\n\n"+b.String()), trailers)
}

// complete offers environments, the objects of one, and the paths of an object.
func (f *absorbFlags) complete(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return f.completeEnvironments(cmd, args, begun)
	}
	var out []string
	a, err := f.absorber(args[0])
	if err != nil || len(args) > 2 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	objects, err := a.Objects(cmd.Context(), args[0])
	if err == nil && len(args) == 2 {
		if objects, err = blame.MatchObjects(objects, args[1]); err == nil {
			out, err = a.Paths(cmd.Context(), args[0], objects)
		}
	} else {
		for _, o := range objects {
			out = append(out, typed(o))
		}
	}
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}
