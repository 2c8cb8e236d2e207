package apply

import (
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/fluxcd/pkg/ssa"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/xetys/tether/drift"
	"github.com/xetys/tether/render/manifest"
)

// Owner is the release that an object belongs to, and how its objects are held.
type Owner struct {
	Environment, Name, Namespace string
	// Strict has what people's tools added to objects removed.
	Strict bool
	// Ignore are fields that are left to others.
	Ignore []manifest.Ignore
}

// Differences lists the fields that an update of an object of the release changes.
func (o Owner) Differences(c Change) []drift.Field {
	if o.Strict {
		return slices.Concat(c.Drift, c.Foreign)
	}
	return c.Drift
}

// foreign lists what people's tools added to a live object.
func (o Owner) foreign(id manifest.ID, live *unstructured.Unstructured) []drift.Field {
	return drift.Foreign(live, FieldManager, tools, manifest.IgnoredPaths(o.Ignore, id))
}

// Mark returns the release's objects as they are applied: with the label and
// annotations that name their owner. The given objects are not modified.
func (o Owner) Mark(objects []manifest.Object) []manifest.Object {
	out := make([]manifest.Object, len(objects))
	for i, obj := range objects {
		u := &unstructured.Unstructured{Object: maps.Clone(obj.Object)}
		meta := maps.Clone(stringMap(u.Object["metadata"]))
		u.Object["metadata"] = meta
		meta["labels"] = with(stringMap(meta["labels"]), map[string]any{
			LabelEnvironment: o.Environment, labelManagedBy: "Helm",
		})
		meta["annotations"] = with(stringMap(meta["annotations"]), map[string]any{
			annotRelease: o.Name, annotReleaseSpace: o.Namespace,
		})
		encodeStringData(u)
		out[i] = manifest.Object{Unstructured: u, Source: obj.Source}
	}
	return out
}

// encodeStringData writes a Secret's stringData as data, as the server does: a
// field that is never read back can't be owned, and so not be held.
func encodeStringData(u *unstructured.Unstructured) {
	plain := stringMap(u.Object["stringData"])
	if u.GetAPIVersion() != "v1" || u.GetKind() != "Secret" || len(plain) == 0 {
		return
	}
	encoded := make(map[string]any, len(plain))
	for k, v := range plain {
		text, ok := v.(string)
		if !ok {
			return // the server says what is wrong with it
		}
		encoded[k] = base64.StdEncoding.EncodeToString([]byte(text))
	}
	u.Object["data"] = with(stringMap(u.Object["data"]), encoded)
	delete(u.Object, "stringData")
}

func stringMap(v any) map[string]any {
	if m, ok := v.(map[string]any); ok {
		return m
	}
	return map[string]any{}
}

func with(base, more map[string]any) map[string]any {
	out := make(map[string]any, len(base)+len(more))
	maps.Copy(out, base)
	maps.Copy(out, more)
	return out
}

// owns reports whether a live object carries the release's name, as Helm and
// Tether leave it, or lost it and was applied by Tether all the same.
func (o Owner) owns(live *unstructured.Unstructured) bool {
	a := live.GetAnnotations()
	if a[annotRelease] == "" {
		return appliedByUs(live)
	}
	return a[annotRelease] == o.Name && (a[annotReleaseSpace] == o.Namespace || a[annotReleaseSpace] == "")
}

func appliedByUs(live *unstructured.Unstructured) bool {
	return drift.Applied(live, FieldManager) != nil
}

// collision says whose a live object is that is not the release's.
func (o Owner) collision(live *unstructured.Unstructured) string {
	a := live.GetAnnotations()
	if a[annotRelease] != "" {
		return fmt.Sprintf("it exists, and belongs to release %s/%s: remove it there, or rename it here", a[annotReleaseSpace], a[annotRelease])
	}
	by := "somebody else"
	if m := live.GetManagedFields(); len(m) > 0 {
		by = m[0].Manager
	}
	return fmt.Sprintf("it exists, made by %s, and belongs to no release; to hand it over: annotate it with %s=%s and %s=%s",
		by, annotRelease, o.Name, annotReleaseSpace, o.Namespace)
}

// formerManagers are the managers whose fields become ours at adoption, so that
// what a chart drops later also leaves the cluster.
var formerManagers = []ssa.FieldManager{
	{Name: "helm", OperationType: metav1.ManagedFieldsOperationApply},
	{Name: "helm", OperationType: metav1.ManagedFieldsOperationUpdate},
	{Name: "kubectl-client-side-apply", OperationType: metav1.ManagedFieldsOperationUpdate},
	{Name: "before-first-apply", OperationType: metav1.ManagedFieldsOperationUpdate},
}

// tools are the managers, by prefix, with which people change objects by hand:
// kubectl's subcommands, Lens (node-fetch), k9s, dashboards, browsers and scripts.
var tools = []string{"kubectl", "node-fetch", "Lens", "freelens", "k9s", "dashboard", "headlamp", "Mozilla", "curl"}

// managedByOthers reports whether Helm still owns fields of a live object under its
// own name, or what is not ours yet was kubectl's.
func managedByOthers(live *unstructured.Unstructured) bool {
	ours := appliedByUs(live)
	for _, m := range live.GetManagedFields() {
		for _, f := range formerManagers {
			former := strings.HasPrefix(m.Manager, f.Name) && m.Operation == f.OperationType && m.Subresource == ""
			if former && (f.Name == "helm" || !ours) {
				return true
			}
		}
	}
	return false
}
