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
	if _, err := environmentsOf([]string{environment}, files); err != nil {
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
		defer c.Close()
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
