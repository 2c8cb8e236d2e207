package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/xetys/tether/apply"
	"github.com/xetys/tether/render"
	"github.com/xetys/tether/source"
)

// files opens the config repository for reading: a commit of it, or its working
// tree as it stands.
func (s *shared) files(revision string) (fs.FS, error) {
	repo := rootOf(s.repo)
	if revision == "" {
		files, err := source.WorkingTree(repo)
		if err != nil {
			return nil, usageError{fmt.Errorf("--repo: %w", err)}
		}
		return files, nil
	}
	rev, err := source.OpenLocal(repo, revision)
	if err != nil {
		return nil, usageError{fmt.Errorf("--repo %s --revision %s: %w", s.repo, revision, err)}
	}
	return rev.Files, nil
}

// rootOf returns the checkout that a folder lies in, so that commands work from a
// subfolder as from the root; the folder itself if it is a repository of its own, or lies
// in none.
func rootOf(path string) string {
	at, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	for dir := at; ; dir = filepath.Dir(dir) {
		for _, mark := range []string{".git", "environments", "objects"} {
			if _, err := os.Stat(filepath.Join(dir, mark)); err == nil && (mark == ".git" || dir == at) {
				return dir
			}
		}
		if dir == filepath.Dir(dir) {
			return path
		}
	}
}

// completeEnvironments offers the environments of the working tree.
func (s *shared) completeEnvironments(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	files, err := s.files("")
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	names, err := render.Environments(files)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeReleases offers environments, and then the releases of the one given.
func (s *shared) completeReleases(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return s.completeEnvironments(cmd, args, begun)
	}
	files, err := s.files("")
	if err != nil || len(args) > 1 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	env, err := render.LoadEnvironment(files, args[0])
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, r := range env.Releases {
		names = append(names, r.Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

type renderFlags struct {
	*shared
	revision    string
	release     string
	kubeVersion string
	apiVersions []string
	isUpgrade   bool
	sops        sopsFlags
	charts      chartFlags
}

func newRender(s *shared) *cobra.Command {
	f := &renderFlags{shared: s}
	cmd := &cobra.Command{
		Use:   "render ENVIRONMENT",
		Short: "Print what an environment renders to",
		Long: `Print the objects that an environment renders to, as YAML documents with Helm's
"# Source:" line: CRDs first, then objects, hooks last, one release after the
other in the order of environment.yaml.

It reads the working tree of --repo as it stands, or a commit with --revision.
No cluster is asked, as in helm template, unless --kubeconfig or --context is given:
then charts see that cluster's version, APIs and objects, as with
helm template --dry-run=server. Registries and chart repositories are asked for the
charts that come from there, but for what is pinned by digest and was fetched before.`,
		Example: `  tether render production
  tether render production --release xuangong-backend --revision HEAD~1`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: s.completeEnvironments,
		RunE:              func(cmd *cobra.Command, args []string) error { return f.run(cmd.Context(), cmd.OutOrStdout(), args[0]) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.revision, "revision", "", "read this commit instead of the working tree")
	fl.StringVar(&f.release, "release", "", "render this release alone")
	fl.StringVar(&f.kubeVersion, "kube-version", "", "the Kubernetes version that charts see offline")
	fl.StringSliceVar(&f.apiVersions, "api-versions", nil, "APIs that charts see offline, beside the built-in ones")
	f.sops.registerSecrets(fl)
	fl.BoolVar(&f.isUpgrade, "is-upgrade", false, "set .Release.IsUpgrade instead of .Release.IsInstall")
	f.charts.register(fl)
	return cmd
}

func (f *renderFlags) run(ctx context.Context, w io.Writer, environment string) error {
	files, err := f.files(f.revision)
	if err != nil {
		return err
	}
	env, err := render.LoadEnvironment(files, environment)
	if err != nil {
		return err
	}
	if f.release != "" && !slices.ContainsFunc(env.Releases, func(r render.ReleaseSpec) bool { return r.Name == f.release }) {
		return usageError{fmt.Errorf("environment %s has no release %s", environment, f.release)}
	}
	opts, c, err := f.options(ctx, environment)
	if err != nil {
		return err
	}
	if c != nil {
		defer c.Live.Close()
	}
	config, err := f.sops.config(c, environment, f.namespace)
	if err != nil {
		return err
	}
	rendering, err := f.charts.rendering("")
	if err != nil {
		return err
	}
	config.Charts = rendering.Charts
	r := render.NewRenderer(config)
	for _, spec := range env.Releases {
		if f.release != "" && spec.Name != f.release {
			continue
		}
		p, err := r.Prepare(ctx, files, env, spec)
		if err != nil {
			return err
		}
		rel, err := r.Render(ctx, p, opts)
		if err != nil {
			return err
		}
		if _, err := io.WriteString(w, render.Text(rel)); err != nil {
			return err
		}
	}
	return nil
}

// options are what charts see: the cluster that was named, or none; then it is nil.
func (f *renderFlags) options(ctx context.Context, environment string) (render.Options, *apply.Cluster, error) {
	opts := render.Options{Revision: 1, IsUpgrade: f.isUpgrade}
	if f.kubeconfig == "" && f.context == "" {
		opts.Capabilities = render.OfflineCapabilities(f.kubeVersion, f.apiVersions)
		return opts, nil, nil
	}
	if f.kubeVersion != "" || len(f.apiVersions) > 0 {
		return opts, nil, usageError{errors.New("--kube-version and --api-versions are for rendering without a cluster")}
	}
	config, err := f.config()
	if err != nil {
		return opts, nil, err
	}
	c, err := apply.Connect(config, environment, nil, nil)
	if err != nil {
		return opts, nil, err
	}
	caps, err := c.Capabilities()
	if err != nil {
		return opts, nil, err
	}
	opts.Capabilities = &render.Capabilities{KubeVersion: caps.KubeVersion, APIVersions: caps.APIVersions}
	opts.Lookup, opts.Namespaced = c.Lookup(ctx), c.Namespaced
	return opts, c, nil
}

// checked is what validate says of one environment.
type checked struct {
	Environment string   `json:"environment"`
	Valid       bool     `json:"valid"`
	Releases    []string `json:"releases"`
	Problems    []string `json:"problems"`
	// Notes say what was not checked, and why.
	Notes []string `json:"notes"`

	away bool // what it needs from elsewhere can't be had now
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
what was not checked.

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
	if len(names) == 0 {
		if names, err = render.Environments(files); err != nil {
			return usageError{err}
		}
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
func check(ctx context.Context, config render.Config, files fs.FS, name string) checked {
	c := checked{Environment: name, Releases: []string{}, Problems: []string{}, Notes: []string{}}
	env, err := render.LoadEnvironment(files, name)
	if err != nil {
		c.Problems = strings.Split(err.Error(), "\n")
		return c
	}
	r := render.NewRenderer(config)
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
				var forbidden render.Problems
				if err != nil && !errors.As(err, &forbidden) {
					note, err = note+", and without them it can't be rendered", nil
				}
				c.Notes = append(c.Notes, "release "+spec.Name+": "+note)
			}
		}
		if err != nil {
			var away *render.AwayError
			c.away = c.away || errors.As(err, &away)
			c.Problems = append(c.Problems, strings.Split(err.Error(), "\n")...)
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

func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
