package plan

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/xetys/tether/apply/ownership"
	"github.com/xetys/tether/apply/scaling"
	"github.com/xetys/tether/drift"
	"github.com/xetys/tether/render/manifest"
)

// Risk is something about a change that whoever reviews it should look at first.
type Risk struct {
	// Kind is delete, recreate, immutable, crd, hook, replicas, disruption or namespace.
	Kind   string `json:"kind"`
	Object string `json:"object"`
	Text   string `json:"text"`
}

// The kinds of risks.
const (
	RiskDelete     = "delete"
	RiskRecreate   = "recreate"
	RiskImmutable  = "immutable"
	RiskCRD        = "crd"
	RiskHook       = "hook"
	RiskReplicas   = "replicas"
	RiskDisruption = "disruption"
	RiskNamespace  = "namespace"
)

// Risks lists the changes of a plan that are more than an update of some fields, in the plan's
// order. It is pure: it knows of the API server's answers only what is in the plan.
func (p Plan) Risks() []Risk {
	var out []Risk
	for _, c := range p.Changes {
		if c.hook { // it is told when it runs
			continue
		}
		for _, of := range []func(Change) []Risk{goes, fixed, defines, scaled, evicts, confines} {
			out = append(out, of(c)...)
		}
	}
	return out
}

// HookRisks lists the hooks that run at some points of a release's life.
func HookRisks(hooks []manifest.Hook, events ...string) []Risk {
	var out []Risk
	for _, event := range events {
		for _, h := range HooksOf(hooks, event) {
			out = append(out, Risk{RiskHook, h.ID().String(), fmt.Sprintf("runs as %s hook", event)})
		}
	}
	return out
}

// risk is about the object of a change.
func (c Change) risk(kind, format string, args ...any) []Risk {
	return []Risk{{kind, c.ID.String(), fmt.Sprintf(format, args...)}}
}

// goes tells of what is deleted, for good or to be created anew.
func goes(c Change) []Risk {
	switch c.Action {
	case Delete:
		return c.risk(RiskDelete, "is deleted")
	case Recreate:
		return c.risk(RiskRecreate, "is deleted and created anew: %s", c.Why)
	}
	return nil
}

// fixedFields are those of well-known kinds that the API server does not let change. They
// serve where no server is asked; where one is, its word counts.
var fixedFields = map[schema.GroupKind][]string{
	{Group: "apps", Kind: "Deployment"}: {"spec.selector"},
	{Group: "apps", Kind: "DaemonSet"}:  {"spec.selector"},
	{Group: "apps", Kind: "ReplicaSet"}: {"spec.selector"},
	JobKind:                             {"spec.selector", "spec.template", "spec.completionMode", "spec.podFailurePolicy", "spec.successPolicy", "spec.managedBy"},
	{Kind: "Secret"}:                    {"type"},
	{Kind: "Service"}:                   {"spec.clusterIP", "spec.clusterIPs"},
	{Kind: "PersistentVolumeClaim"}:     {"spec.accessModes", "spec.storageClassName", "spec.volumeName", "spec.volumeMode", "spec.selector", "spec.dataSource", "spec.dataSourceRef"},
	{Group: "rbac.authorization.k8s.io", Kind: "RoleBinding"}:        {"roleRef"},
	{Group: "rbac.authorization.k8s.io", Kind: "ClusterRoleBinding"}: {"roleRef"},
	{Group: "storage.k8s.io", Kind: "StorageClass"}:                  {"provisioner", "parameters", "reclaimPolicy", "volumeBindingMode"},
	{Group: "networking.k8s.io", Kind: "IngressClass"}:               {"spec.controller"},
	{Group: "scheduling.k8s.io", Kind: "PriorityClass"}:              {"value", "preemptionPolicy"},
	DefinitionKind: {"spec.group", "spec.scope", "spec.names.kind", "spec.names.plural"},
}

// freeFields are the fields of a StatefulSet's spec that may change; all others may not.
var freeFields = []string{"spec.replicas", "spec.ordinals", "spec.template", "spec.updateStrategy", "spec.persistentVolumeClaimRetentionPolicy",
	"spec.minReadySeconds", "spec.revisionHistoryLimit"}

// fixed tells of fields that can't be changed in place, where no server was asked.
func fixed(c Change) []Risk {
	if c.Action != Update || c.DryRun != nil || c.slim || c.Live == nil {
		return nil
	}
	var paths []string
	for _, f := range c.Drift {
		if isFixed(c, f.Path) {
			paths = append(paths, f.Path)
		}
	}
	if len(paths) == 0 {
		return nil
	}
	what := strings.Join(paths, ", ")
	if why := (Owner{}).mayRecreate(c.Object, c.Live); why != "" {
		return c.risk(RiskRecreate, "is deleted and created anew, for %s: %s", what, why)
	}
	return c.risk(RiskImmutable, "can't be changed in %s: it is refused, unless it has the annotation %s: \"true\"", what, ownership.AnnotRecreate)
}

func isFixed(c Change, path string) bool {
	gk := c.ID.GroupKind()
	below := func(of string) bool { return under(path, of) }
	switch {
	case gk == schema.GroupKind{Group: "apps", Kind: "StatefulSet"}:
		return under(path, "spec") && !slices.ContainsFunc(freeFields, below)
	case gk.Group == "" && (gk.Kind == "ConfigMap" || gk.Kind == "Secret") && c.Live.Object["immutable"] == true:
		return below("data") || below("binaryData") || below("immutable")
	}
	return slices.ContainsFunc(fixedFields[gk], below)
}

// under reports whether a path is that of a field, or of something in it.
func under(path, field string) bool {
	rest, ok := strings.CutPrefix(path, field)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// defines tells of what happens to kinds.
func defines(c Change) []Risk {
	if c.ID.GroupKind() != DefinitionKind {
		return nil
	}
	switch c.Action {
	case Keep:
		return c.risk(RiskCRD, "is not brought any more, and stays with all objects of its kind")
	case Update, Refused:
		if c.Live != nil && c.Object != nil {
			after := servedVersions(c.Object)
			lost := slices.DeleteFunc(servedVersions(c.Live), func(v string) bool { return slices.Contains(after, v) })
			if len(lost) > 0 {
				return c.risk(RiskCRD, "stops to serve version %s", strings.Join(lost, ", "))
			}
		}
		return c.risk(RiskCRD, "changes what all objects of its kind may be")
	}
	return nil
}

// scaled tells of how many pods there are to be.
func scaled(c Change) []Risk {
	gk := c.ID.GroupKind()
	switch {
	case scaling.Scales(c.ID):
		return autoscales(c)
	case scaling.Scalable[gk] && c.Action == Update:
		for _, f := range c.Drift {
			if f.Path == "spec.replicas" {
				return c.risk(RiskReplicas, "replicas: %s -> %s", f.Have, f.Want)
			}
		}
	}
	return nil
}

// limits are the fields of autoscalers that bound the number of pods.
var limits = []string{"spec.minReplicas", "spec.maxReplicas", "spec.minReplicaCount", "spec.maxReplicaCount"}

func autoscales(c Change) []Risk {
	switch c.Action {
	case Create, Deferred:
		if c.Object != nil {
			return c.risk(RiskReplicas, "decides on the replicas of %s from now on", scaling.TargetOf(c.Object))
		}
	case Delete:
		if c.Live != nil {
			return c.risk(RiskReplicas, "no longer decides on the replicas of %s", scaling.TargetOf(c.Live))
		}
	case Update:
		return c.changes(RiskReplicas, func(f drift.Field) bool {
			return slices.Contains(limits, f.Path) || under(f.Path, "spec.scaleTargetRef")
		})
	}
	return nil
}

// changes tells of the fields of an update that matter.
func (c Change) changes(kind string, matters func(drift.Field) bool) []Risk {
	var texts []string
	for _, f := range c.Drift {
		if matters(f) {
			texts = append(texts, fmt.Sprintf("%s: %s -> %s", strings.TrimPrefix(f.Path, "spec."), f.Have, f.Want))
		}
	}
	if len(texts) == 0 {
		return nil
	}
	return c.risk(kind, "%s", strings.Join(texts, ", "))
}

// evicts tells of what nodes that are drained have to wait for.
func evicts(c Change) []Risk {
	if c.ID.GroupKind() != disruptionKind {
		return nil
	}
	if c.Action == Delete {
		return c.risk(RiskDisruption, "no longer holds up the eviction of pods")
	}
	if c.Action != Unchanged && c.Object != nil && allowsNone(c.Object) {
		return c.risk(RiskDisruption, "lets no pod be evicted: a node with one can't be drained")
	}
	if c.Action != Update {
		return nil
	}
	return c.changes(RiskDisruption, func(f drift.Field) bool { return under(f.Path, "spec") })
}

// allowsNone reports whether a budget lets no pod go, however many there are.
func allowsNone(budget *unstructured.Unstructured) bool {
	spec, _, _ := unstructured.NestedMap(budget.Object, "spec")
	is := func(field string, values ...string) bool {
		v, has := spec[field]
		return has && slices.Contains(values, fmt.Sprint(v))
	}
	return is("maxUnavailable", "0", "0%") || is("minAvailable", "100%")
}

// confines tells of what happens to namespaces.
func confines(c Change) []Risk {
	if c.ID.GroupKind() != (schema.GroupKind{Kind: "Namespace"}) {
		return nil
	}
	switch c.Action {
	case Create:
		return c.risk(RiskNamespace, "is created")
	case Keep:
		return c.risk(RiskNamespace, "is not brought any more, and stays with all that it holds")
	case Update:
		return c.changes(RiskNamespace, func(drift.Field) bool { return true })
	}
	return nil
}
