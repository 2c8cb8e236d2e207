package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/xetys/tether/apply"
	"github.com/xetys/tether/render"
	"github.com/xetys/tether/render/config"
	"github.com/xetys/tether/render/manifest"
)

func newRender(s *shared) *cobra.Command {
	f := &renderFlags{shared: s}
	cmd := &cobra.Command{
		Use:   "render ENVIRONMENT",
		Short: "Print what an environment renders to",
		Long: `Print the objects that an environment renders to, as YAML documents with Helm's
"# Source:" line: CRDs first, then objects, hooks last, one release after the
other in the order of environment.yaml.

It reads the working tree of --repo as it stands, a commit with --revision, or with
--at what ran at a time, by the ledger or else by git (which is said).
No cluster is asked, as in helm template, unless --kubeconfig or --context is given:
then charts see that cluster's version, APIs and objects, as with
helm template --dry-run=server. Registries and chart repositories are asked for the
charts that come from there, but for what is pinned by digest and was fetched before.`,
		Example: `  tether render production
  tether render production --release xuangong-backend --revision HEAD~1`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: s.completeEnvironments,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.resolveRevision(cmd.Context(), cmd.ErrOrStderr(), args[0]); err != nil {
				return err
			}
			return f.run(cmd.Context(), cmd.OutOrStdout(), args[0])
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.revision, "revision", "", "read this commit instead of the working tree")
	fl.StringVar(&f.when, "at", "", "read the commit that ran at a time (2026-11-24T14:02Z, 14:02, 2h), or a commit")
	fl.StringVar(&f.release, "release", "", "render this release alone")
	fl.StringVar(&f.kubeVersion, "kube-version", "", "the Kubernetes version that charts see offline")
	fl.StringSliceVar(&f.apiVersions, "api-versions", nil, "APIs that charts see offline, beside the built-in ones")
	f.sops.registerSecrets(fl)
	fl.BoolVar(&f.isUpgrade, "is-upgrade", false, "set .Release.IsUpgrade instead of .Release.IsInstall")
	f.charts.register(fl)
	return cmd
}

// resolveRevision has --at name the revision.
func (f *renderFlags) resolveRevision(ctx context.Context, errs io.Writer, environment string) error {
	if f.when == "" {
		return nil
	}
	if f.revision != "" {
		return usageError{errors.New("--at and --revision both name a commit: give one of them")}
	}
	sha, note, err := f.revisionAt(ctx, environment, f.when, time.Now())
	if note != "" {
		fmt.Fprintln(errs, note)
	}
	f.revision = sha
	return err
}

func (f *renderFlags) run(ctx context.Context, w io.Writer, environment string) error {
	return f.each(ctx, environment, func(_ *config.Environment, _ config.ReleaseSpec, rel *manifest.Release) error {
		_, err := io.WriteString(w, render.Text(rel))
		return err
	})
}

// each renders the releases of an environment, one after the other.
func (f *renderFlags) each(ctx context.Context, environment string, do func(*config.Environment, config.ReleaseSpec, *manifest.Release) error) error {
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
	if f.release != "" && !slices.ContainsFunc(env.Releases, func(r config.ReleaseSpec) bool { return r.Name == f.release }) {
		return usageError{fmt.Errorf("environment %s has no release %s", environment, f.release)}
	}
	opts, c, err := f.options(ctx, environment)
	if err != nil {
		return err
	}
	if c != nil {
		defer c.Close()
	}
	from, err := f.sops.config(c, environment, f.namespace)
	if err != nil {
		return err
	}
	rendering, err := f.charts.rendering("")
	if err != nil {
		return err
	}
	from.Charts = rendering.Charts
	r := render.NewRenderer(from)
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
		if err := do(env.Environment, spec, rel); err != nil {
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
	c, err := apply.Connect(config, environment, apply.Options{})
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
