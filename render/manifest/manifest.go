// Package manifest has the types that all packages share: the identity of an object, an
// object, a hook, and a rendered release.
//
// It does not know where an object comes from (git, Helm) nor where it goes
// (a cluster); it does no I/O.
package manifest

import (
	"cmp"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// ID identifies an object across the versions of its API: the version is left
// out on purpose, because an object that moves from v1beta1 to v1 is the same
// object.
type ID struct {
	Group, Kind, Namespace, Name string
}

// IDOf returns the identity that u carries in itself. An object without a
// namespace yields an ID without one: defaulting is its caller's task.
func IDOf(u *unstructured.Unstructured) ID {
	gvk := u.GroupVersionKind()
	return ID{Group: gvk.Group, Kind: gvk.Kind, Namespace: u.GetNamespace(), Name: u.GetName()}
}

// GroupKind returns the object's group and kind.
func (id ID) GroupKind() schema.GroupKind {
	return schema.GroupKind{Group: id.Group, Kind: id.Kind}
}

// RunsToEnd reports whether an object of the kind ends by itself: Helm waits until a hook of
// it has, and what is left is a trace of the run. What other hooks make lasts.
func (id ID) RunsToEnd() bool {
	return id.GroupKind() == schema.GroupKind{Group: "batch", Kind: "Job"} || id.GroupKind() == schema.GroupKind{Kind: "Pod"}
}

// String returns the form that people read everywhere: Kind.group
// namespace/name, without what is empty.
func (id ID) String() string {
	var b strings.Builder
	b.WriteString(id.Kind)
	if id.Group != "" {
		b.WriteString("." + id.Group)
	}
	b.WriteString(" ")
	if id.Namespace != "" {
		b.WriteString(id.Namespace + "/")
	}
	b.WriteString(id.Name)
	return b.String()
}

// Compare orders IDs by namespace, kind, group and name.
func Compare(a, b ID) int {
	return cmp.Or(
		cmp.Compare(a.Namespace, b.Namespace),
		cmp.Compare(a.Kind, b.Kind),
		cmp.Compare(a.Group, b.Group),
		cmp.Compare(a.Name, b.Name),
	)
}

// Object is one Kubernetes object and the template that it was rendered from.
type Object struct {
	*unstructured.Unstructured
	// Source is the template's path inside its chart, as in Helm's "# Source:"
	// line, for example "xuangong-backend/templates/deployment.yaml".
	Source string
}

// ID returns the object's identity.
func (o Object) ID() ID { return IDOf(o.Unstructured) }

// Chart describes the chart that a release was rendered from.
type Chart struct {
	Name       string
	Version    string
	AppVersion string
}

// Release is a release as it was rendered, ready to be compared and applied.
type Release struct {
	// Name and Namespace identify the release, as in Helm.
	Name, Namespace string
	// Chart says what it was rendered from.
	Chart Chart
	// Digest is the release's input digest: 40 hexadecimal digits over the
	// chart's files and dependencies, the merged values, name and namespace.
	Digest string
	// CRDs are the objects of the chart's crds folders, in Helm's order. They
	// are not in Manifest, as they are not in a Helm record's manifest.
	CRDs []Object
	// Objects are the objects of Manifest, in Helm's install order.
	Objects []Object
	// Hooks are the chart's hooks, tests included, in Helm's order.
	Hooks []Hook
	// Manifest is the text of Objects as Helm records it: every document led by
	// "---" and its "# Source:" line.
	Manifest string
	// Notes is the rendered NOTES.txt.
	Notes string
	// Values are the user's merged values (not the chart's defaults), as a Helm
	// record's config. They may hold secrets: never print them.
	Values map[string]any
	// Defaults are the chart's own values, for "helm get values --all".
	Defaults map[string]any
	// Plain says that no secret went into any of this.
	Plain bool
}

// Hook is an object that Helm runs at a point of a release's life instead of
// keeping it as a part of the release (https://helm.sh/docs/topics/charts_hooks/).
type Hook struct {
	Object
	// Text is the hook's document as it was rendered.
	Text string
	// Events are the points at which it runs: pre-install, post-upgrade, test …
	Events []string
	// Weight orders the hooks of one event, smallest first.
	Weight int
	// DeletePolicies say when its object is deleted: before-hook-creation,
	// hook-succeeded, hook-failed. Never empty: the default is the first.
	DeletePolicies []string
}
