package ownership

import (
	"slices"
	"strings"

	"github.com/fluxcd/pkg/ssa"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/xetys/tether/drift"
)

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

// FormerManagers are the managers whose fields of an object become ours, so that fields that a
// chart drops are removed from the cluster: at adoption, when the object is not ours yet, all
// tools that apply whole objects; later Helm only. Fields that kubectl edit and the like set
// stay theirs.
func FormerManagers(ours bool) []ssa.FieldManager {
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

// Tools are the managers, by prefix, with which people change objects by hand:
// kubectl's subcommands, Lens (node-fetch), k9s, dashboards, browsers and scripts; and
// the other tools that deliver.
var Tools = slices.Concat([]string{"kubectl", "node-fetch", "Lens", "freelens", "k9s", "dashboard", "headlamp", "Mozilla", "curl"}, deliverers)

// ManagedByOthers reports whether Helm still owns fields of a live object under its own name,
// or, if the object is not ours yet, whether a tool that applies whole objects does.
func ManagedByOthers(live *unstructured.Unstructured) bool {
	return Managed(live, FormerManagers(AppliedByUs(live)))
}

// Managed reports whether one of some managers owns fields of a live object.
func Managed(live *unstructured.Unstructured, by []ssa.FieldManager) bool {
	return slices.ContainsFunc(live.GetManagedFields(), func(m metav1.ManagedFieldsEntry) bool {
		return m.Subresource == "" && isFormer(m.Manager, string(m.Operation), by)
	})
}

// AppliedByUs reports whether a live object was applied by the agent.
func AppliedByUs(live *unstructured.Unstructured) bool {
	return drift.Applied(live, FieldManager) != nil
}

// Heir returns a function that reports whether a manager's fields become ours when the live
// object is written.
func Heir(live *unstructured.Unstructured) func(manager, operation string) bool {
	all := FormerManagers(AppliedByUs(live))
	return func(manager, operation string) bool { return isFormer(manager, operation, all) }
}

// Inheritance is an object's managed fields once it is adopted; nil if there is nothing
// to adopt.
func Inheritance(live *unstructured.Unstructured) ([]metav1.ManagedFieldsEntry, error) {
	patches, err := ssa.PatchReplaceFieldsManagers(live, FormerManagers(AppliedByUs(live)), FieldManager)
	if err != nil || len(patches) == 0 {
		return nil, err
	}
	return patches[0].Value, nil
}

// Inherited returns a live object with the ownership that a write will have.
func Inherited(live *unstructured.Unstructured) *unstructured.Unstructured {
	if live == nil || !ManagedByOthers(live) {
		return live
	}
	managed, err := Inheritance(live)
	if err != nil || managed == nil {
		return live
	}
	live = live.DeepCopy()
	live.SetManagedFields(managed)
	return live
}
