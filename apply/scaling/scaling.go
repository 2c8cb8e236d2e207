// Package scaling says which objects decide on the replicas of others.
//
// It is pure: it reads autoscalers and workloads, and does not know the cluster.
package scaling

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/xetys/tether/render/manifest"
)

// AutoscalerKind is Kubernetes' own.
var AutoscalerKind = schema.GroupKind{Group: "autoscaling", Kind: "HorizontalPodAutoscaler"}

// kedaKind has KEDA make an autoscaler, a while after it is there.
var kedaKind = schema.GroupKind{Group: "keda.sh", Kind: "ScaledObject"}

// Scalable are the kinds whose replicas an autoscaler may own though they are not set.
var Scalable = map[schema.GroupKind]bool{
	{Group: "apps", Kind: "Deployment"}:     true,
	{Group: "apps", Kind: "StatefulSet"}:    true,
	{Group: "apps", Kind: "ReplicaSet"}:     true,
	{Kind: "ReplicationController"}:         true,
	{Group: "argoproj.io", Kind: "Rollout"}: true,
}

// HasReplicas reports whether an object says how many replicas it has.
func HasReplicas(u *unstructured.Unstructured) bool {
	_, has, _ := unstructured.NestedFieldNoCopy(u.Object, "spec", "replicas")
	return has
}

// Scales reports whether an object decides on the replicas of another.
func Scales(id manifest.ID) bool {
	return id.GroupKind() == AutoscalerKind || id.GroupKind() == kedaKind
}

// TargetOf returns the object on whose replicas an autoscaler decides.
func TargetOf(autoscaler *unstructured.Unstructured) manifest.ID {
	version, _, _ := unstructured.NestedString(autoscaler.Object, "spec", "scaleTargetRef", "apiVersion")
	kind, _, _ := unstructured.NestedString(autoscaler.Object, "spec", "scaleTargetRef", "kind")
	name, _, _ := unstructured.NestedString(autoscaler.Object, "spec", "scaleTargetRef", "name")
	if kind == "" { // KEDA's default
		version, kind = "apps/v1", "Deployment"
	}
	u := &unstructured.Unstructured{Object: map[string]any{}}
	u.SetAPIVersion(version)
	u.SetKind(kind)
	u.SetNamespace(autoscaler.GetNamespace())
	u.SetName(name)
	return manifest.IDOf(u)
}

// Intent is what the objects of a release say about the replicas of its workloads.
type Intent struct {
	Targets map[manifest.ID]bool // of its autoscalers
	Leaving map[manifest.ID]bool // autoscalers that go with this change
}

// IntentOf collects the Intent of a release's objects, wanted and former.
func IntentOf(want, past []manifest.Object) Intent {
	s := Intent{Targets: map[manifest.ID]bool{}, Leaving: map[manifest.ID]bool{}}
	for _, o := range past {
		if Scales(o.ID()) {
			s.Leaving[o.ID()] = true
		}
	}
	for _, o := range want {
		if Scales(o.ID()) {
			s.Targets[TargetOf(o.Unstructured)] = true
			delete(s.Leaving, o.ID())
		}
	}
	return s
}
