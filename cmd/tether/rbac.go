package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/yaml"

	"github.com/xetys/tether/apply/ownership"
	"github.com/xetys/tether/apply/permissions"
	"github.com/xetys/tether/render/config"
	"github.com/xetys/tether/render/manifest"
)

type rbacFlags struct {
	renderFlags
	account string
}

func newRBAC(s *shared) *cobra.Command {
	f := &rbacFlags{renderFlags: renderFlags{shared: s}}
	cmd := &cobra.Command{
		Use:   "rbac ENVIRONMENT",
		Short: "Print the service account and roles that an environment needs",
		Long: `Print a service account for an environment, its namespaces, and the roles that its
charts need and nothing else, as YAML documents for kubectl apply. With tether agent
--service-account ENVIRONMENT=NAME the agent reads and writes the environment's
objects as that account: no commit can do what its roles don't allow.

It renders the working tree of --repo, or a commit with --revision, as tether render
does. Who reviews the roles decides what the environment may do; a commit that brings
another kind is refused until they are widened: print them again.

What templates look up depends on what they find, and is not in the roles: add it.`,
		Example: `  tether rbac production | kubectl apply --filename -
  tether rbac staging --account deployer`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: s.completeEnvironments,
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.run(cmd.Context(), cmd.OutOrStdout(), args[0])
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.revision, "revision", "", "read this commit instead of the working tree")
	fl.StringVar(&f.account, "account", "", "the service account's name, in --namespace (default: tether-ENVIRONMENT)")
	f.sops.registerSecrets(fl)
	f.charts.register(fl)
	return cmd
}

func (f *rbacFlags) run(ctx context.Context, w io.Writer, environment string) error {
	name := cmp.Or(f.account, "tether-"+environment)
	if errs := validation.IsDNS1123Subdomain(name); len(errs) > 0 {
		return usageError{fmt.Errorf("--account %s: %s", name, errs[0])}
	}
	var home string
	var releases []permissions.Release
	err := f.each(ctx, environment, func(env *config.Environment, spec config.ReleaseSpec, rel *manifest.Release) error {
		home = env.Namespace
		releases = append(releases, needing(env, spec, rel))
		return nil
	})
	if err != nil {
		return err
	}
	needs := permissions.Of(home, releases, resources(releases))
	for _, o := range roles(needs, f.namespace, name) {
		raw, err := yaml.Marshal(o)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "---\n%s", raw); err != nil {
			return err
		}
	}
	return nil
}

// needing is what of a release takes permissions.
func needing(env *config.Environment, spec config.ReleaseSpec, rel *manifest.Release) permissions.Release {
	r := permissions.Release{Release: rel}
	for _, v := range spec.ValuesFrom {
		r.References = append(r.References, v.Reference)
	}
	for _, c := range env.ChartCredentials {
		r.References = append(r.References, manifest.Reference{Kind: "Secret", Namespace: env.Namespace, Name: c.Secret})
	}
	r.Asks = slices.ContainsFunc(spec.Verify, func(c manifest.Check) bool { return c.Service != nil })
	return r
}

// resources names the resource of a kind: as the environment's CRDs say, or else by
// Kubernetes' own rule, which holds for all of its kinds.
func resources(releases []permissions.Release) func(schema.GroupKind) string {
	plurals := map[schema.GroupKind]string{}
	for _, r := range releases {
		for _, o := range slices.Concat(r.CRDs, r.Objects) {
			if o.GetKind() == "CustomResourceDefinition" {
				group, _, _ := unstructured.NestedString(o.Object, "spec", "group")
				kind, _, _ := unstructured.NestedString(o.Object, "spec", "names", "kind")
				plurals[schema.GroupKind{Group: group, Kind: kind}], _, _ = unstructured.NestedString(o.Object, "spec", "names", "plural")
			}
		}
	}
	return func(gk schema.GroupKind) string {
		if plural := plurals[gk]; plural != "" {
			return plural
		}
		resource, _ := meta.UnsafeGuessKindToResource(gk.WithVersion(""))
		return resource.Resource
	}
}

// roles are the objects by which an account is allowed what is needed.
func roles(needs permissions.Needs, home, name string) []map[string]any {
	labels := map[string]any{ownership.LabelManagedBy: ownership.FieldManager}
	object := func(apiVersion, kind, namespace, name string) map[string]any {
		about := map[string]any{"name": name, "labels": labels}
		if namespace != "" {
			about["namespace"] = namespace
		}
		return map[string]any{"apiVersion": apiVersion, "kind": kind, "metadata": about}
	}
	var out []map[string]any
	for _, namespace := range needs.Namespaces() {
		out = append(out, object("v1", "Namespace", "", namespace)) // roles can't be there before it
	}
	subjects := []any{map[string]any{"kind": rbacv1.ServiceAccountKind, "name": name, "namespace": home}}
	out = append(out, object("v1", rbacv1.ServiceAccountKind, home, name))
	grant := func(prefix, namespace, name string, rules []rbacv1.PolicyRule) {
		role := object(rbacv1.SchemeGroupVersion.String(), prefix+"Role", namespace, name)
		role["rules"] = rules
		binding := object(rbacv1.SchemeGroupVersion.String(), prefix+"RoleBinding", namespace, name)
		binding["roleRef"] = map[string]any{"apiGroup": rbacv1.GroupName, "kind": prefix + "Role", "name": name}
		binding["subjects"] = subjects
		out = append(out, role, binding)
	}
	grant("Cluster", "", home+"-"+name, needs[""]) // cluster-wide names carry the namespace, as the chart's do
	for _, namespace := range needs.Namespaces() {
		grant("", namespace, name, needs[namespace])
	}
	return out
}
