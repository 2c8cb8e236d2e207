// Package realm says what an environment may touch in a cluster: which namespaces, which
// cluster-wide kinds, which Secrets its templates may look up, and what is reserved for
// agents.
//
// It does not know a cluster, git or charts: their facts are given to it, and it answers with
// a sentence that says why something is not allowed, or with nothing.
package realm

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/xetys/tether/render/manifest"
)

// Limits are the limits on environments in an agent's configuration.
type Limits struct {
	// Home is the agent's own namespace.
	Home string
	// Namespaces are patterns of the namespaces that an environment may write to; without
	// any, those that Facts say.
	Namespaces Grants
	// ClusterKinds are patterns of the kinds that live in no namespace, as Kind or
	// Kind.group, of which an environment may write objects.
	ClusterKinds Grants
	// LookupSecrets are patterns of namespaces, or of namespace/name, whose Secrets an
	// environment's templates may look up beside those of its own namespaces.
	LookupSecrets Grants
	// Own names the release by which an environment keeps the agent itself.
	Own Grants
}

// Facts are what is known of an environment from its commit and the cluster.
type Facts struct {
	// Alone says that the repository has no other environment: there are no bounds between
	// environments to be held.
	Alone bool
	// Namespaces are those that the environment names and no other one does, and those
	// that it has already.
	Namespaces []string
	// Others says which other environment a namespace belongs to, by the namespace.
	Others map[string]Holder
	// Homes are the namespaces of agents, as far as they are known.
	Homes []string
}

// Holder is an environment that has a namespace.
type Holder struct {
	Environment string
	// Home is the namespace of the agent that keeps it, if that is another one.
	Home string
}

// String says whose the namespace is.
func (h Holder) String() string {
	if h.Home == "" {
		return fmt.Sprintf("environment %s's", h.Environment)
	}
	return fmt.Sprintf("environment %s's, which the agent in namespace %s keeps", h.Environment, h.Home)
}

// Realm is what one environment may touch. The zero value allows everything.
type Realm struct {
	environment string
	set         bool
	everywhere  bool     // every namespace but those of agents
	namespaces  []string // patterns that the configuration gives
	named       []string // namespaces that it has by its name for them
	kinds       []string
	lookups     []string
	homes       []string
	own         []string
	others      map[string]Holder
	home        string
}

// For returns the realm of an environment.
func (l Limits) For(environment string, f Facts) Realm {
	r := Realm{environment: environment, set: true, home: l.Home, homes: append(slices.Clone(f.Homes), l.Home), others: f.Others,
		kinds: l.ClusterKinds.Of(environment), lookups: l.LookupSecrets.Of(environment), own: l.Own.Of(environment)}
	r.namespaces = l.Namespaces.Of(environment)
	if r.namespaces != nil {
		return r
	}
	r.everywhere, r.named = f.Alone, slices.DeleteFunc(slices.Clone(f.Namespaces), ofKubernetes)
	if f.Alone && r.kinds == nil {
		r.kinds = []string{"*"}
	}
	return r
}

// Release is the release on whose behalf a question is asked. The zero value stands for the
// environment as a whole.
type Release struct{ Namespace, Name string }

// isAgent reports whether a release is the agent itself.
func (r Realm) isAgent(rel Release) bool {
	return rel.Namespace == r.home && slices.Contains(r.own, rel.Name)
}

// Namespace says why nothing may be written to a namespace on a release's behalf; empty if
// it may.
func (r Realm) Namespace(rel Release, namespace string) string {
	switch {
	case !r.set:
		return ""
	case slices.Contains(r.homes, namespace):
		if namespace == r.home && (r.isAgent(rel) || rel == Release{} && len(r.own) > 0) {
			return ""
		}
		return fmt.Sprintf("namespace %s is an agent's own, and out of every environment's reach", namespace)
	case r.everywhere || slices.Contains(r.named, namespace) || slices.ContainsFunc(r.namespaces, func(p string) bool { return matches(p, namespace) }):
		return ""
	case ofKubernetes(namespace):
		return fmt.Sprintf("namespace %s is Kubernetes' own, and no environment's by its name alone: have the agent allow it with --allow-namespaces %s=%s", namespace, r.environment, namespace)
	}
	if other, taken := r.others[namespace]; taken {
		return fmt.Sprintf("namespace %s is %s: use another one, or have the agent allow it with --allow-namespaces %s=%s", namespace, other, r.environment, namespace)
	}
	return fmt.Sprintf("namespace %s is none of environment %s's: have the agent allow it with --allow-namespaces %s=%s", namespace, r.environment, r.environment, namespace)
}

// ofKubernetes reports whether a namespace is one of those that Kubernetes keeps for itself
// (https://kubernetes.io/docs/concepts/overview/working-with-objects/namespaces/): whoever runs
// a pod in kube-system can have the account of a controller, and with it the whole cluster.
func ofKubernetes(namespace string) bool { return strings.HasPrefix(namespace, "kube-") }

// namespaceKind is the kind of what all else lives in.
var namespaceKind = schema.GroupKind{Kind: "Namespace"}

// Object says why a release may not write or delete an object; empty if it may.
func (r Realm) Object(rel Release, o manifest.Object) string {
	if !r.set {
		return ""
	}
	if why := r.reserved(o); why != "" {
		return why
	}
	return r.ID(rel, o.ID())
}

// ID is Object for an object whose content does not matter.
func (r Realm) ID(rel Release, id manifest.ID) string {
	switch {
	case !r.set:
		return ""
	case id.GroupKind() == namespaceKind:
		return r.Namespace(rel, id.Name)
	case id.Namespace == "":
		return r.ClusterKind(rel, id.GroupKind())
	}
	if id.Namespace == r.home && r.isAgent(rel) && id.GroupKind() == (schema.GroupKind{Kind: "Secret"}) {
		return fmt.Sprintf("Secrets of namespace %s configure the agent: no repository brings them", r.home)
	}
	return r.Namespace(rel, id.Namespace)
}

// ClusterKind says why a release may not write objects of a kind that lives in no
// namespace; empty if it may.
func (r Realm) ClusterKind(rel Release, gk schema.GroupKind) string {
	if !r.set || r.isAgent(rel) || rel == (Release{}) && len(r.own) > 0 {
		return ""
	}
	if slices.ContainsFunc(r.kinds, func(p string) bool { return matches(p, gk.String()) || matches(p, gk.Kind) }) {
		return ""
	}
	return fmt.Sprintf("a %s is cluster-wide, and environment %s may write none: have the agent allow it with --allow-cluster-kinds %s=%s", gk.Kind, r.environment, r.environment, gk)
}

// Sees says why templates may not look up objects of a kind in a namespace; empty if they
// may. An empty name asks for all of them.
func (r Realm) Sees(gk schema.GroupKind, namespace, name string) string {
	switch {
	case !r.set || namespace == "":
		return ""
	case slices.Contains(r.homes, namespace):
		return fmt.Sprintf("namespace %s is an agent's own, and templates see nothing of it", namespace)
	case gk != (schema.GroupKind{Kind: "Secret"}) || r.Namespace(Release{}, namespace) == "":
		return ""
	}
	if slices.ContainsFunc(r.lookups, func(p string) bool { return matches(p, namespace) || name != "" && matches(p, namespace+"/"+name) }) {
		return ""
	}
	return fmt.Sprintf("Secrets of namespace %s, which is none of environment %s's, are not looked up: have the agent allow it with --allow-lookup-secrets %s=%s",
		namespace, r.environment, r.environment, namespace)
}

// Refers says why a release may not take values from a ConfigMap or Secret, or a login;
// empty if it may.
func (r Realm) Refers(rel Release, ref manifest.Reference) string {
	if !r.set {
		return ""
	}
	if ref.Kind == "Secret" && slices.Contains(r.homes, ref.Namespace) {
		return fmt.Sprintf("Secrets of namespace %s configure an agent: no repository refers to them", ref.Namespace)
	}
	return r.Namespace(rel, ref.Namespace)
}

func matches(pattern, text string) bool {
	ok, err := path.Match(pattern, text)
	return err == nil && ok
}

// Grants are patterns by environment; those of "" hold for all.
type Grants map[string][]string

// Of returns the patterns for an environment; nil if there are none.
func (g Grants) Of(environment string) []string {
	return slices.Concat(g[""], g[environment])
}

// ParseGrants reads grants as flags write them: ENVIRONMENT=PATTERN,PATTERN for one
// environment, PATTERN,PATTERN or *=PATTERN,PATTERN for all. One text may hold several, with spaces between.
func ParseGrants(texts []string) (Grants, error) {
	out := Grants{}
	for _, t := range strings.Fields(strings.Join(texts, " ")) {
		environment, list, one := strings.Cut(t, "=")
		if !one {
			environment, list = "", t
		} else if environment == "*" {
			environment = ""
		}
		for _, p := range strings.Split(list, ",") {
			if _, err := path.Match(p, ""); err != nil || p == "" {
				return nil, fmt.Errorf("%q: use [ENVIRONMENT=]PATTERN[,PATTERN], with * for any text", t)
			}
			out[environment] = append(out[environment], p)
		}
	}
	return out, nil
}
