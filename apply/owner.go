package apply

import (
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/fluxcd/pkg/ssa"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/xetys/tether/apply/realm"
	"github.com/xetys/tether/drift"
	"github.com/xetys/tether/render/manifest"
)

// Owner is the release that an object belongs to, and how its objects are held.
type Owner struct {
	Environment, Name, Namespace string
	// Strict has what people's tools added to objects removed.
	Strict bool
	// Rollback says that the release goes back: what can't be changed in place may be
	// deleted and created anew.
	Rollback bool
	// Back says that the release went back after a failure, and is not what git asks for:
	// what other releases took over since stays theirs.
	Back bool
	// Since says of objects that a rollout brought which is gone back from when that began:
	// what is older was there before, and stays.
	Since map[manifest.ID]time.Time
	// Ignore are fields that are left to others.
	Ignore []manifest.Ignore
	// Realm says what the release may touch.
	Realm realm.Realm
}

// beyond says why an object is not the release's to write or delete; empty if it may be.
func (o Owner) beyond(obj manifest.Object) string {
	if why := manifest.Reserved(obj); why != "" {
		return why
	}
	return o.Realm.Object(realm.Release{Namespace: o.Namespace, Name: o.Name}, obj)
}

// Differences lists the fields that an update of an object of the release changes.
func (o Owner) Differences(c Change) []drift.Field {
	if o.Strict {
		return slices.Concat(c.Drift, c.Foreign)
	}
	return c.Drift
}

// Withstood lists the fields of a live object that are not as they are wanted, and for
// which a refused change would put back what is wanted. What is ours still was not changed:
// there is no answer of the API server's that says how it would write it.
func (o Owner) Withstood(c Change) []drift.Field {
	if c.Live == nil || c.Object == nil {
		return nil
	}
	nobody := func(string, string) bool { return false }
	fields := drift.Compare(c.Live, drift.Merged(c.Live, c.Object, FieldManager, nobody, nil))
	return slices.DeleteFunc(fields, func(f drift.Field) bool { return f.Manager == FieldManager })
}

// foreign lists what people's tools added to a live object.
func (o Owner) foreign(id manifest.ID, live *unstructured.Unstructured) []drift.Field {
	return drift.Foreign(live, FieldManager, tools, o.leaves(id, live))
}

// leaves lists the fields of a live object that others may set, as JSON pointers.
func (o Owner) leaves(id manifest.ID, live *unstructured.Unstructured) []string {
	if live == nil {
		return nil
	}
	return slices.Concat(manifest.IgnoredPaths(o.Ignore, id), conceded(live))
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
		cede(u)
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
		if !ok && v != nil { // null is an empty text
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
// Tether leave it, or lost it and was applied by Tether for the environment all the same.
func (o Owner) owns(live *unstructured.Unstructured) bool {
	a, of := live.GetAnnotations(), live.GetLabels()[LabelEnvironment]
	if a[annotRelease] == "" {
		return appliedByUs(live) && (of == "" || of == o.Environment)
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

// helms are Helm's own managers, which become ours again after each helm upgrade by hand.
var helms = []ssa.FieldManager{
	{Name: "helm", OperationType: metav1.ManagedFieldsOperationApply, ExactMatch: true},
	{Name: "helm", OperationType: metav1.ManagedFieldsOperationUpdate, ExactMatch: true},
}

// deliverers are managers of whole objects, by prefix: of other tools that keep a cluster
// to git, or deploy to it. What they own becomes ours at adoption, and is foreign later.
var deliverers = []string{
	"kustomize-controller", "helm-controller", "helm-operator", "flux", // Flux
	"argocd", "argo-cd", // Argo CD: its controller, its server, its command line
	"fleet", "rancher", // Rancher Fleet: fleetagent
	"kapp", "sveltos", "addon-controller", "config-sync", "configsync.gke.io", "werf", "skaffold", "pulumi", "terraform", "Terraform", "HashiCorp", "ansible", "OpenAPI-Generator",
}

// formerManagers are the managers whose fields of an object become ours, so that what a
// chart drops also leaves the cluster: at adoption, when the object is not ours yet, all
// who apply whole objects; later Helm only. What kubectl edit and its like set stays a
// person's.
func formerManagers(ours bool) []ssa.FieldManager {
	if ours {
		return helms
	}
	out := slices.Clone(helms)
	for _, op := range []metav1.ManagedFieldsOperationType{metav1.ManagedFieldsOperationApply, metav1.ManagedFieldsOperationUpdate} {
		for _, name := range deliverers {
			out = append(out, ssa.FieldManager{Name: name, OperationType: op})
		}
	}
	return append(out,
		ssa.FieldManager{Name: "kubectl", OperationType: metav1.ManagedFieldsOperationApply}, // kubectl apply --server-side
		ssa.FieldManager{Name: "kubectl-client-side-apply", OperationType: metav1.ManagedFieldsOperationUpdate},
		ssa.FieldManager{Name: "kubectl-create", OperationType: metav1.ManagedFieldsOperationUpdate},
		ssa.FieldManager{Name: "kubectl-replace", OperationType: metav1.ManagedFieldsOperationUpdate},
		ssa.FieldManager{Name: "before-first-apply", OperationType: metav1.ManagedFieldsOperationUpdate},
	)
}

func isFormer(manager, operation string, all []ssa.FieldManager) bool {
	return slices.ContainsFunc(all, func(f ssa.FieldManager) bool {
		return string(f.OperationType) == operation && (manager == f.Name || !f.ExactMatch && strings.HasPrefix(manager, f.Name))
	})
}

// tools are the managers, by prefix, with which people change objects by hand:
// kubectl's subcommands, Lens (node-fetch), k9s, dashboards, browsers and scripts; and
// the other tools that deliver.
var tools = slices.Concat([]string{"kubectl", "node-fetch", "Lens", "freelens", "k9s", "dashboard", "headlamp", "Mozilla", "curl"}, deliverers)

// managedByOthers reports whether Helm still owns fields of a live object under its
// own name, or what is not ours yet was somebody's who applies whole objects.
func managedByOthers(live *unstructured.Unstructured) bool {
	return managed(live, formerManagers(appliedByUs(live)))
}

func managed(live *unstructured.Unstructured, by []ssa.FieldManager) bool {
	return slices.ContainsFunc(live.GetManagedFields(), func(m metav1.ManagedFieldsEntry) bool {
		return m.Subresource == "" && isFormer(m.Manager, string(m.Operation), by)
	})
}
