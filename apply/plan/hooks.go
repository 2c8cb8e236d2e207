package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/xetys/tether/apply/ownership"
	"github.com/xetys/tether/render/manifest"
)

// The points of a release's life at which hooks run
// (https://helm.sh/docs/topics/charts_hooks/).
const (
	PreInstall   = "pre-install"
	PostInstall  = "post-install"
	PreUpgrade   = "pre-upgrade"
	PostUpgrade  = "post-upgrade"
	PreRollback  = "pre-rollback"
	PostRollback = "post-rollback"
	PreDelete    = "pre-delete"
	PostDelete   = "post-delete"
	Test         = "test"
)

const (
	beforeCreation = "before-hook-creation"
	HookSucceeded  = "hook-succeeded"
	HookFailed     = "hook-failed"
)

// HooksOf returns the hooks of an event in the order in which they run.
func HooksOf(hooks []manifest.Hook, event string) []manifest.Hook {
	var due []manifest.Hook
	for _, h := range hooks {
		if slices.Contains(h.Events, event) {
			due = append(due, h)
		}
	}
	slices.SortStableFunc(due, func(a, b manifest.Hook) int {
		return cmp.Or(a.Weight-b.Weight, strings.Compare(a.GetName(), b.GetName()))
	})
	return due
}

// BroughtBefore are the objects of hooks that run before the release's own objects are applied,
// and which these may need.
func BroughtBefore(hooks []manifest.Hook) []manifest.Object {
	var out []manifest.Object
	for _, h := range hooks {
		if slices.ContainsFunc(h.Events, func(e string) bool { return e == PreInstall || e == PreUpgrade || e == PreRollback }) {
			out = append(out, h.Object)
		}
	}
	return out
}

// GoesFirst reports whether an existing object of a hook's name is deleted before the hook
// runs.
func GoesFirst(h manifest.Hook) bool {
	return (slices.Contains(h.DeletePolicies, beforeCreation) || h.ID().RunsToEnd()) && !HoldsOthers(h)
}

// HoldsOthers reports whether the deletion of a hook's object would delete other objects too:
// those of its kind, if it is a CRD.
func HoldsOthers(h manifest.Hook) bool { return h.ID().GroupKind() == DefinitionKind }

// OwnsHook reports whether a live object belongs to the release's hooks. Helm does not mark the
// objects of its hooks with the release: they are recognised by their hook annotation, their
// manager (Helm), and their instance label.
func (o Owner) OwnsHook(h manifest.Hook, live *unstructured.Unstructured) bool {
	if HoldsOthers(h) {
		return true // several releases may bring one
	}
	if e := live.GetLabels()[ownership.LabelEnvironment]; e != "" && e != o.Environment {
		return false
	}
	if o.Owns(live) {
		return true
	}
	a, instance := live.GetAnnotations(), live.GetLabels()["app.kubernetes.io/instance"]
	return a[ownership.AnnotRelease] == "" && a[ownership.AnnotHook] != "" && (instance == "" || instance == o.Name) && madeByHelm(live)
}

// TransfersHook reports whether an object that a hook of another release of the environment
// left may be replaced: that release is gone, or is removed by this commit.
func (c Provisions) TransfersHook(rel Owner, live *unstructured.Unstructured) bool {
	a := live.GetAnnotations()
	from := a[ownership.AnnotReleaseSpace] + "/" + a[ownership.AnnotRelease]
	goes := c.Moves.Changing[from]
	for _, owner := range c.Moves.Owners {
		goes = goes && owner != from
	}
	return c.Moves.gives(rel, live) || goes && live.GetLabels()[ownership.LabelEnvironment] == rel.Environment
}

func madeByHelm(live *unstructured.Unstructured) bool {
	return slices.ContainsFunc(live.GetManagedFields(), func(m metav1.ManagedFieldsEntry) bool { return strings.Contains(m.Manager, "helm") })
}

// HookCollision says who owns a live object that has a hook's name.
func (o Owner) HookCollision(live *unstructured.Unstructured) string {
	if e := live.GetLabels()[ownership.LabelEnvironment]; e != "" && e != o.Environment {
		return fmt.Sprintf("a hook would replace it, and it belongs to environment %s: remove it there, or rename it here", e)
	}
	return "a hook would replace it: " + o.collision(live)
}
