package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/pmezard/go-difflib/difflib"
	"github.com/spf13/cobra"

	"github.com/xetys/tether/render"
	"github.com/xetys/tether/render/config"
	"github.com/xetys/tether/render/images"
)

// editFlags are what commands that change the repository share.
type editFlags struct {
	*shared
	key     string
	write   bool
	message string
	git     gitWrite
	outside outsideFlags
}

func (f *editFlags) register(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.BoolVar(&f.write, "write", false, "change the file in the working tree, instead of printing a patch")
	fl.BoolVar(&f.git.commit, "commit", false, "change the file and commit it, and nothing else")
	fl.BoolVar(&f.git.push, "push", false, "push the commit; when somebody was faster, it is rebased and pushed again")
	fl.StringVar(&f.message, "message", "", "the commit's message")
	f.outside.sops.register(fl)
	f.outside.charts.register(fl)
}

// change is what such a command did, or would do.
type change struct {
	Environment string   `json:"environment"`
	Release     string   `json:"release"`
	File        string   `json:"file"`
	Key         string   `json:"key"`
	From        string   `json:"from"`
	To          string   `json:"to"`
	Images      []string `json:"images"`
}

func newSetImage(s *shared) *cobra.Command {
	f := &editFlags{shared: s}
	cmd := &cobra.Command{
		Use:   "set-image ENVIRONMENT RELEASE TAG",
		Short: "Have git say that a release runs another image tag",
		Long: `Set the image tag of a release in the values file that decides it. Comments, order
and quotes of the file stay. The values key is found by rendering: it is the one with
which an image gets the tag. When several keys decide images, the one whose image the
environment's versioning is about is meant; if that tells none, --key names one. The
release is rendered with the change, so that a tag that its chart's schema or the
environment's versioning refuses changes nothing.

What other releases use too (a values file of several environments) is not changed:
the tag goes into a file of the release's own that comes later, if it lists one.

Without --write or --commit a patch is printed, as git apply takes it. When the tag is
there already, nothing is done, with exit code 0.`,
		Example: `  tether set-image production web v2026.2.1
  tether set-image production web v2026.2.1 --commit --push
  tether set-image production web 1.10 --key sidecar.image.tag | git apply`,
		Args:              cobra.ExactArgs(3),
		ValidArgsFunction: s.completeReleases,
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.setImage(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), args[0], args[1], args[2])
		},
	}
	f.register(cmd)
	cmd.Flags().StringVar(&f.key, "key", "", "the values key to set, such as image.tag (default: the one that decides the image)")
	return cmd
}

func (f *editFlags) setImage(ctx context.Context, w, progress io.Writer, environment, release, tag string) error {
	if err := checkTag(tag); err != nil {
		return err
	}
	r, env, spec, err := f.open(environment, release)
	if err != nil {
		return err
	}
	c, err := r.SetTag(ctx, env, spec, f.key, tag)
	if err != nil {
		return usageError{err}
	}
	if c == nil {
		fmt.Fprintf(progress, "release %s of %s has %s already\n", release, environment, tag)
		return f.show(w, nil, nil)
	}
	if f.message == "" {
		f.message = fmt.Sprintf("%s: %s %s\n\n%s: %s %s -> %s\n", environment, release, tag, c.File, c.Key, orNone(c.Key.Value), c.To)
	}
	return f.carryOut(ctx, w, progress, []change{changeOf(environment, release, c)}, []*images.Change{c})
}

func orNone(text string) string {
	if text == "" {
		return "(none)"
	}
	return text
}

// checkTag holds a tag to what registries take (OCI distribution specification).
func checkTag(tag string) error {
	ok := tag != "" && len(tag) <= 128 && strings.Trim(tag[:1], "-.") != ""
	for _, r := range tag {
		ok = ok && (r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '.' || r == '-')
	}
	if !ok {
		return usageError{fmt.Errorf("tag %q: use letters, digits, underscores, dots and dashes, 128 at the most, and no dot or dash at its beginning", tag)}
	}
	return nil
}

func changeOf(environment, release string, c *images.Change) change {
	return change{Environment: environment, Release: release, File: c.File, Key: c.Key.String(), From: c.Key.Value, To: c.To, Images: c.Into}
}

// open reads the working tree for one release.
func (f *editFlags) open(environment, release string) (*images.Repository, *render.Environment, config.ReleaseSpec, error) {
	none := config.ReleaseSpec{}
	if f.git.push && !f.git.commit {
		return nil, nil, none, usageError{fmt.Errorf("--push pushes a commit: give --commit too")}
	}
	files, err := f.files("")
	if err != nil {
		return nil, nil, none, err
	}
	env, err := render.LoadEnvironment(files, environment)
	if err != nil {
		return nil, nil, none, err
	}
	at := slices.IndexFunc(env.Releases, func(r config.ReleaseSpec) bool { return r.Name == release })
	if at < 0 && release != "" {
		return nil, nil, none, usageError{fmt.Errorf("environment %s has no release %s; it has %s", environment, release, namesOf(env))}
	}
	config, err := f.outside.sops.config(nil, environment, f.namespace)
	if err != nil {
		return nil, nil, none, err
	}
	rendering, err := f.outside.charts.rendering("")
	if err != nil {
		return nil, nil, none, err
	}
	config.Lenient, config.Charts = true, rendering.Charts
	r := &images.Repository{Files: files, Renderer: render.NewRenderer(config), Options: render.Options{Revision: 1, Capabilities: render.OfflineCapabilities("", nil)}}
	if at < 0 {
		return r, env, none, nil
	}
	return r, env, env.Releases[at], nil
}

func namesOf(env *render.Environment) string {
	var names []string
	for _, r := range env.Releases {
		names = append(names, r.Name)
	}
	return strings.Join(names, ", ")
}

// carryOut prints the changes as a patch, or writes, commits and pushes them.
func (f *editFlags) carryOut(ctx context.Context, w, progress io.Writer, told []change, changes []*images.Change) error {
	for _, c := range told {
		fmt.Fprintf(progress, "%s: %s %s -> %s (%s)\n", c.File, c.Key, orNone(c.From), c.To, strings.Join(c.Images, ", "))
	}
	if f.write || f.git.commit {
		f.git.dir, f.git.branch = rootOf(f.repo), f.branch
		if err := f.git.carryOut(ctx, progress, changes, f.message); err != nil {
			return err
		}
		return f.show(w, told, nil)
	}
	return f.show(w, told, changes)
}

// show prints what changed: a patch for people, unless it was written.
func (f *editFlags) show(w io.Writer, told []change, patch []*images.Change) error {
	if told == nil {
		told = []change{}
	}
	return f.print(w, told, func(w io.Writer) error {
		for _, c := range patch {
			text, err := patchOf(c)
			if err != nil {
				return err
			}
			if _, err := io.WriteString(w, text); err != nil {
				return err
			}
		}
		return nil
	})
}

// patchOf is a change as a unified diff.
func patchOf(c *images.Change) (string, error) {
	return difflib.GetUnifiedDiffString(difflib.UnifiedDiff{A: linesOf(c.Before), B: linesOf(c.After), FromFile: "a/" + c.File, ToFile: "b/" + c.File, Context: 3})
}

// linesOf splits a file for a diff; a last line without a newline says so.
func linesOf(text []byte) []string {
	lines := strings.SplitAfter(string(text), "\n")
	last := len(lines) - 1
	if lines[last] == "" {
		return lines[:last]
	}
	lines[last] += "\n\\ No newline at end of file\n"
	return lines
}
