package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"github.com/xetys/tether/agent"
	"github.com/xetys/tether/apply"
	"github.com/xetys/tether/render"
	"github.com/xetys/tether/source/printable"
)

// errDifferences says by the exit code alone that there are differences.
var errDifferences = errors.New("there are differences")

type diffFlags struct {
	*renderFlags
	from string
	live bool

	rendering render.Config
}

func newDiff(s *shared) *cobra.Command {
	f := &diffFlags{renderFlags: &renderFlags{shared: s}}
	cmd := &cobra.Command{
		Use:   "diff ENVIRONMENT",
		Short: "Show what a revision would change",
		Long: `Show what a revision of the config repository would change in an environment,
object by object and field by field. The values of Secrets are masked.

Without --live two revisions are rendered and compared; no cluster is asked, as
in tether render. --from is HEAD, and --to the working tree of --repo, unless
they are given. In a pull request's job:

  tether diff production --from origin/main --to HEAD -o markdown

With --live the working tree, or --to, is compared with the cluster: it is what the
agent would do if that were the branch's head now, by server-side dry-runs, drift
included. Deploy windows, pauses and the prune budget are left out. Fields that
people's tools added are shown and count as no difference, unless drift is strict.

Registries and chart repositories are asked for the charts that come from there, but
for what is pinned by digest and was fetched before.

Exit codes: 0 nothing would change; 1 there are differences; 2 bad usage, or what
is compared would be refused.`,
		Example: `  tether diff production
  tether diff production --from HEAD~1 --to HEAD
  tether diff production --live`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: s.completeEnvironments,
		RunE:              func(cmd *cobra.Command, args []string) error { return f.run(cmd.Context(), cmd.OutOrStdout(), args[0]) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.from, "from", "", "the revision to compare with (default HEAD)")
	fl.StringVar(&f.revision, "to", "", "the revision to look at instead of the working tree")
	fl.StringVar(&f.revision, "revision", "", "the same as --to")
	f.charts.register(fl)
	fl.BoolVar(&f.live, "live", false, "compare with the cluster")
	f.sops.registerSecrets(fl)
	fl.StringVar(&f.kubeVersion, "kube-version", "", "the Kubernetes version that charts see offline")
	fl.StringSliceVar(&f.apiVersions, "api-versions", nil, "APIs that charts see offline, beside the built-in ones")
	return cmd
}

func (f *diffFlags) run(ctx context.Context, w io.Writer, environment string) error {
	to, err := f.files(f.revision)
	if err != nil {
		return err
	}
	if f.rendering, err = f.charts.rendering(""); err != nil {
		return err
	}
	var d *agent.Difference
	if f.live {
		d, err = f.preview(ctx, to, environment)
	} else {
		d, err = f.between(ctx, to, environment)
	}
	if err != nil {
		return err
	}
	if d.To = f.revision; d.To == "" {
		d.To = "the working tree"
	}
	if err := f.show(w, d); err != nil {
		return err
	}
	switch {
	case len(d.Refusals) > 0:
		return usageError{fmt.Errorf("environment %s would be refused: %s", environment, strings.Join(d.Refusals, "; "))}
	case d.Any():
		return errDifferences
	}
	return nil
}

func (f *diffFlags) preview(ctx context.Context, to fs.FS, environment string) (*agent.Difference, error) {
	if f.from != "" || f.kubeVersion != "" || len(f.apiVersions) > 0 {
		return nil, usageError{errors.New("--live compares with the cluster: leave --from, --kube-version and --api-versions out")}
	}
	c, err := f.cluster(environment)
	if err != nil {
		return nil, err
	}
	defer c.Live.Close()
	keys, err := f.sops.keys()
	if err != nil {
		return nil, err
	}
	d, err := agent.Preview(ctx, c, f.rendering, to, f.namespace, keys)
	if err == nil {
		d.From = "the cluster"
	}
	return d, err
}

func (f *diffFlags) between(ctx context.Context, to fs.FS, environment string) (*agent.Difference, error) {
	if f.from == "" {
		f.from = "HEAD"
	}
	from, err := f.files(f.from)
	if err != nil {
		return nil, err
	}
	config, err := f.sops.config(nil, environment, f.namespace)
	if err != nil {
		return nil, err
	}
	config.Lenient, config.Charts = true, f.rendering.Charts
	d, err := agent.Between(ctx, config, from, to, environment, render.Options{Revision: 1,
		Capabilities: render.OfflineCapabilities(f.kubeVersion, f.apiVersions)})
	if err == nil {
		d.From = f.from
	}
	return d, err
}

func (f *diffFlags) show(w io.Writer, d *agent.Difference) error {
	if f.output == "markdown" {
		_, err := io.WriteString(printable.Writer(w), markdownOfDiff(d))
		return err
	}
	return f.print(w, d, func(w io.Writer) error {
		_, err := io.WriteString(w, textOfDiff(d))
		return err
	})
}

// signs are how an action is shown in text.
var signs = map[apply.Action]string{
	apply.Create: "+", apply.Delete: "-", apply.Update: "~", apply.Recreate: "±", apply.Deferred: "?", apply.Refused: "!", apply.Keep: "=", apply.Unchanged: " ",
}

func textOfDiff(d *agent.Difference) string {
	var b strings.Builder
	fmt.Fprintf(&b, "environment %s: from %s to %s\n", d.Environment, d.From, d.To)
	for _, r := range d.Releases {
		fmt.Fprintf(&b, "\nrelease %s/%s: %s\n", r.Namespace, r.Name, actionText(r))
		for _, o := range r.Objects {
			fmt.Fprintf(&b, "  %s %s\n", signs[apply.Action(o.Action)], objectText(o))
			for _, f := range o.Fields {
				fmt.Fprintf(&b, "      %s\n", fieldText(f))
			}
		}
	}
	if !d.Any() {
		b.WriteString("no differences\n")
	}
	for _, text := range d.Unread {
		fmt.Fprintf(&b, "note: %s\n", text)
	}
	return b.String()
}

func actionText(r agent.ReleaseDifference) string {
	if r.Reason == "" {
		return r.Action
	}
	return r.Action + ", " + r.Reason
}

func objectText(o agent.ObjectDifference) string {
	text := o.Object
	if o.Action != string(apply.Create) && o.Action != string(apply.Update) && o.Action != string(apply.Delete) && o.Action != string(apply.Unchanged) {
		text += ": " + o.Action
	}
	if o.Why != "" {
		text += " (" + o.Why + ")"
	}
	return text
}

func fieldText(f agent.FieldDifference) string {
	text := fmt.Sprintf("%s: %s -> %s", f.Path, f.From, f.To)
	if f.Foreign {
		text = fmt.Sprintf("%s: %s, foreign", f.Path, f.From)
	}
	if f.Manager != "" {
		text += ", by " + f.Manager
	}
	return text
}

// markdownOfDiff is for a comment on a pull request.
func markdownOfDiff(d *agent.Difference) string {
	var b strings.Builder
	fmt.Fprintf(&b, "### tether: `%s`, from `%s` to `%s`\n", d.Environment, d.From, d.To)
	if !d.Any() {
		b.WriteString("\nNo differences.\n")
	}
	for _, r := range d.Releases {
		fmt.Fprintf(&b, "\n**%s** (%s)\n", r.Name, actionText(r))
		if body := diffLines(r); body != "" {
			fence := "```"
			for strings.Contains(body, fence) {
				fence += "`"
			}
			fmt.Fprintf(&b, "\n%sdiff\n%s%s\n", fence, body, fence)
		}
	}
	for _, text := range d.Unread {
		fmt.Fprintf(&b, "\n> **note**: %s\n", oneLine(text))
	}
	for _, text := range d.Refusals {
		fmt.Fprintf(&b, "\n> **refused**: %s\n", oneLine(text))
	}
	return b.String()
}

// diffLines are coloured by whoever shows Markdown: + and - by themselves, ! for
// what changes.
func diffLines(r agent.ReleaseDifference) string {
	var b strings.Builder
	for _, o := range r.Objects {
		sign := "!"
		switch apply.Action(o.Action) {
		case apply.Create, apply.Deferred:
			sign = "+"
		case apply.Delete:
			sign = "-"
		case apply.Keep, apply.Unchanged:
			sign = "#"
		}
		fmt.Fprintf(&b, "%s %s\n", sign, objectText(o))
		for _, f := range o.Fields {
			if f.Foreign {
				fmt.Fprintf(&b, "#   %s\n", fieldText(f))
				continue
			}
			fmt.Fprintf(&b, "-   %s: %s\n+   %s: %s\n", f.Path, f.From, f.Path, f.To)
		}
	}
	return b.String()
}
