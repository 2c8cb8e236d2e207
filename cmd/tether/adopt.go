package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/xetys/tether/apply/former"
	"github.com/xetys/tether/render/adopt"
	"github.com/xetys/tether/render/config"
	"github.com/xetys/tether/source/printable"
)

type adoptFlags struct {
	*diffFlags
	target      string
	places      map[string]string
	makeSecrets bool
	prove       bool
}

// adopted is what such a command did. It is a contract, as the other outputs.
type adopted struct {
	Environment string            `json:"environment"`
	Files       []string          `json:"files"`
	Releases    []adoptedRelease  `json:"releases"`
	Proof       *adoptProof       `json:"proof,omitempty"`
	Secrets     map[string]string `json:"secrets,omitempty"` // what became of them, by name
}

type adoptedRelease struct {
	Name     string   `json:"name"`
	From     string   `json:"from"`
	Chart    string   `json:"chart"`
	Secret   []string `json:"secret"`   // the values that were left out
	Notes    []string `json:"notes"`    // what is not carried over
	HandOver []string `json:"handOver"` // commands that end the former tool's work
}

func newAdopt(s *shared) *cobra.Command {
	f := &adoptFlags{diffFlags: &diffFlags{renderFlags: &renderFlags{shared: s}, live: true}}
	cmd := &cobra.Command{
		Use:   "adopt ENVIRONMENT [RELEASE...] --from-namespace NAMESPACE",
		Short: "Write an environment from what Helm, Flux or Argo CD deploy, and prove that it changes nothing",
		Long: `Read what is deployed to a namespace, and write environments/ENVIRONMENT into the
working tree: environment.yaml, and a values file for each release, with comments that
say where each came from. All releases of the namespace are adopted, or those named.

It reads Helm's records, Flux's HelmReleases with their sources, and Argo CD's
Applications. A record does not say where its chart came from: it is the chart of that
name in the repository, or what --chart says. What can't be carried over as it is, is
refused, and nothing is written.

Secret values are never written: those that stand in Secrets and nowhere else, and those
that are called or look like secrets. They are left out, and a valuesFrom refers to a
Secret RELEASE-values; --make-secrets makes it in the cluster, unless it is there.

Then it proves, by dry-runs as tether diff --live, that the first commit changes nothing:
no field of an object but labels and annotations that say whose it is, and no hook runs.
--prove writes nothing, and proves it of what stands in environments/ENVIRONMENT: after
the files were edited, or objects handed over.

Nothing in the cluster is changed, but for --make-secrets. The commands that end the
former tool's work are printed: the agent is to begin after them.

Exit codes: 0 it is proven that nothing changes; 1 something would, or can't be told yet;
2 bad usage, or something can't be carried over.`,
		Example: `  tether adopt production --from-namespace xuangong-prod --make-secrets
  tether adopt production db --from-namespace xuangong-prod --chart db=oci://registry.example.com/charts/db
  tether adopt production --prove`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: s.completeEnvironments,
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.run(cmd.Context(), cmd.OutOrStdout(), args[0], args[1:])
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.target, "from-namespace", "", "the namespace whose releases are adopted")
	fl.StringToStringVar(&f.places, "chart", nil, "RELEASE=PLACE: where a release's chart lies: a folder of the repository, oci://… or https://REPOSITORY/NAME")
	fl.BoolVar(&f.makeSecrets, "make-secrets", false, "make the Secrets that hold the secret values")
	fl.BoolVar(&f.prove, "prove", false, "write nothing, and prove that what stands in the repository changes nothing")
	f.charts.register(fl)
	f.sops.registerSecrets(fl)
	return cmd
}

func (f *adoptFlags) run(ctx context.Context, w io.Writer, environment string, names []string) error {
	if err := f.check(environment, names); err != nil {
		return err
	}
	out := adopted{Environment: environment, Files: []string{}, Releases: []adoptedRelease{}}
	if !f.prove {
		if err := f.adopt(ctx, &out, names); err != nil {
			return err
		}
	}
	files, err := f.files("")
	if err != nil {
		return err
	}
	if _, err := environmentsOf([]string{environment}, files); err != nil {
		return err
	}
	if f.rendering, err = f.charts.rendering(""); err != nil {
		return err
	}
	d, err := f.difference(ctx, nil, files, environment)
	if err != nil {
		return err
	}
	out.Proof = proofOf(d)
	if err := f.print(w, out, func(w io.Writer) error { return out.text(w) }); err != nil {
		return err
	}
	if !out.Proof.Unchanged {
		return errDifferences
	}
	return nil
}

func (f *adoptFlags) check(environment string, names []string) error {
	switch {
	case f.prove && (f.target != "" || f.makeSecrets || len(f.places) > 0 || len(names) > 0):
		return usageError{errors.New("--prove is about what stands in the repository: leave releases, --from-namespace, --chart and --make-secrets out")}
	case !f.prove && f.target == "":
		return usageError{errors.New("--from-namespace is missing: say whose releases are adopted")}
	case !config.EnvironmentName(environment):
		return usageError{fmt.Errorf("environment %q: use lower-case letters, digits and dashes", environment)}
	}
	return nil
}

// adopt reads the cluster and writes the files.
func (f *adoptFlags) adopt(ctx context.Context, out *adopted, names []string) error {
	files, err := f.files("")
	if err != nil {
		return err
	}
	if config.Exists(files, out.Environment) {
		return usageError{fmt.Errorf("environments/%s is there already, and is not overwritten: --prove holds it to the cluster", out.Environment)}
	}
	c, err := f.cluster(out.Environment)
	if err != nil {
		return err
	}
	defer c.Close()
	reader := c.Former
	found, err := reader.Read(ctx, f.target)
	if err != nil {
		return err
	}
	releases, err := adopt.Releases(found, files, adopt.Wanted{Names: names, Charts: f.places})
	if err != nil {
		return usageError{err}
	}
	texts, err := adopt.Files(out.Environment, f.target, releases)
	if err != nil {
		return err
	}
	if err := writeNew(rootOf(f.repo), texts); err != nil {
		return err
	}
	out.Files = slices.Sorted(maps.Keys(texts))
	for _, r := range releases {
		out.add(r)
	}
	return f.store(ctx, reader, out, releases)
}

// store makes the Secrets of secret values, if that is asked for.
func (f *adoptFlags) store(ctx context.Context, reader *former.Reader, out *adopted, releases []*adopt.Release) error {
	out.Secrets = map[string]string{}
	for _, r := range releases {
		switch {
		case len(r.Secret) == 0:
		case !f.makeSecrets:
			out.Secrets[r.SecretName()] = "is to be made, by --make-secrets or by hand"
		default:
			made, err := reader.Store(ctx, r)
			if err != nil {
				return err
			}
			out.Secrets[r.SecretName()] = "was there, and stays as it is"
			if made {
				out.Secrets[r.SecretName()] = "was made"
			}
		}
	}
	return nil
}

func (a *adopted) add(r *adopt.Release) {
	one := adoptedRelease{Name: r.Name, From: r.From, Chart: r.Chart.Location, Secret: []string{}, Notes: slices.Concat([]string{}, r.Notes), HandOver: slices.Concat([]string{}, r.HandOver)}
	if r.Chart.Version != "" {
		one.Chart += " " + r.Chart.Version
	}
	for _, at := range r.Secret {
		one.Secret = append(one.Secret, strings.Join(at, "."))
	}
	a.Releases = append(a.Releases, one)
}

func (a *adopted) text(w io.Writer) error {
	var b strings.Builder
	for _, file := range a.Files {
		fmt.Fprintf(&b, "wrote %s\n", file)
	}
	for _, r := range a.Releases {
		fmt.Fprintf(&b, "\nrelease %s, from %s\n  chart %s\n", r.Name, r.From, r.Chart)
		if len(r.Secret) > 0 {
			name := (&adopt.Release{Name: r.Name}).SecretName()
			fmt.Fprintf(&b, "  secret values left out: %s\n  Secret %s %s\n", strings.Join(r.Secret, ", "), name, a.Secrets[name])
		}
		for _, n := range r.Notes {
			fmt.Fprintf(&b, "  not carried over: %s\n", n)
		}
		for _, c := range r.HandOver {
			fmt.Fprintf(&b, "  $ %s\n", c)
		}
	}
	if len(a.Files) > 0 {
		b.WriteString("\n")
	}
	b.WriteString(a.Proof.text())
	_, err := io.WriteString(printable.Writer(w), b.String())
	return err
}

// writeNew writes files that are not there into a checkout: all of them, or none.
func writeNew(root string, files map[string][]byte) error {
	tree, err := openCheckout(root)
	if err != nil {
		return err
	}
	defer tree.close()
	var written []string
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := tree.create(name, files[name]); err != nil {
			for _, one := range written {
				err = errors.Join(err, tree.root.Remove(one))
			}
			return fmt.Errorf("write %s: %w", name, err)
		}
		written = append(written, name)
	}
	return nil
}
