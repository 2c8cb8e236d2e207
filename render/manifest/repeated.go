package manifest

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// RepeatedError says that a list has two elements of the same key. Helm takes that, and
// what it comes to is left to the API server; server-side apply merges such lists by
// their keys, and can't
// (https://kubernetes.io/docs/reference/using-api/server-side-apply/#merge-strategy).
type RepeatedError struct {
	Object Object
	// Path is the list, and Key what two of its elements have in common.
	Path, Key string
	// First and Second are the places of the two, counted from one.
	First, Second int
	// More is how many others of the object are so.
	More int
}

// Error says where it is, by template, object, list and element.
func (e *RepeatedError) Error() string {
	more := ""
	if e.More > 0 {
		more = fmt.Sprintf(" (and %d more of this object)", e.More)
	}
	return fmt.Sprintf("%s: %s: %s has %s twice, as elements %d and %d: server-side apply can't tell them apart: remove one%s",
		e.Object.Source, e.Object.ID(), e.Path, e.Key, e.First, e.Second, more)
}

// Unrepeated returns an error if one of an object's lists has two elements of the same
// key: a list of one of Kubernetes' own kinds, or of a kind that is among the
// definitions.
func Unrepeated(o Object, definitions []Object) error {
	f := repetitions{}
	if at, known := podSpecs[o.ID().GroupKind()]; known {
		spec, found, _ := unstructured.NestedFieldNoCopy(o.Object, at...)
		if found {
			f.lists(spec, strings.Join(at, "."), podLists)
		}
	}
	f.lists(o.Object, "", ownLists[o.ID().GroupKind()])
	if IsBuiltIn(o.GroupVersionKind().Group) {
		f.everywhere(o.Object, "")
	} else {
		f.lists(o.Object["metadata"], "metadata", metadataLists)
	}
	if s := schemaOf(o, definitions); s != nil {
		f.schema(o.Object, "", s)
	}
	if len(f.found) == 0 {
		return nil
	}
	first := f.found[0]
	first.Object, first.More = o, len(f.found)-1
	return &first
}

// keyed is a list that is merged by keys, or by its elements if there are none.
type keyed struct {
	at   string // with * for any element of a list on the way
	keys []string
}

var metadataLists = []keyed{{"finalizers", nil}, {"ownerReferences", []string{"uid"}}}

// ownLists are the lists of Kubernetes' own kinds that are no pods.
var ownLists = map[schema.GroupKind][]keyed{
	{Kind: "Service"}:        {{"spec.ports", []string{"port", "protocol"}}},
	{Kind: "ServiceAccount"}: {{"secrets", []string{"name"}}},
	{Group: "admissionregistration.k8s.io", Kind: "MutatingWebhookConfiguration"}:     webhookLists,
	{Group: "admissionregistration.k8s.io", Kind: "ValidatingWebhookConfiguration"}:   webhookLists,
	{Group: "admissionregistration.k8s.io", Kind: "MutatingAdmissionPolicy"}:          policyLists,
	{Group: "admissionregistration.k8s.io", Kind: "ValidatingAdmissionPolicy"}:        policyLists,
	{Group: "admissionregistration.k8s.io", Kind: "ValidatingAdmissionPolicyBinding"}: {{"spec.validationActions", nil}},
	{Group: "storage.k8s.io", Kind: "CSIDriver"}:                                      {{"spec.volumeLifecycleModes", nil}},
	{Group: "flowcontrol.apiserver.k8s.io", Kind: "FlowSchema"}: {
		{"spec.rules.*.nonResourceRules.*.nonResourceURLs", nil}, {"spec.rules.*.nonResourceRules.*.verbs", nil},
		{"spec.rules.*.resourceRules.*.apiGroups", nil}, {"spec.rules.*.resourceRules.*.namespaces", nil},
		{"spec.rules.*.resourceRules.*.resources", nil}, {"spec.rules.*.resourceRules.*.verbs", nil}},
	{Group: "batch", Kind: "Job"}:                      jobLists(""),
	{Group: "batch", Kind: "CronJob"}:                  jobLists("spec.jobTemplate."),
	{Group: "discovery.k8s.io", Kind: "EndpointSlice"}: {{"endpoints.*.addresses", nil}},
}

var (
	webhookLists = []keyed{{"webhooks", []string{"name"}}, {"webhooks.*.matchConditions", []string{"name"}}}
	policyLists  = []keyed{{"spec.matchConditions", []string{"name"}}, {"spec.variables", []string{"name"}}}
)

// podSpecs tells where kinds have the specification of their pods.
var podSpecs = map[schema.GroupKind][]string{
	{Kind: "Pod"}:                        {"spec"},
	{Kind: "PodTemplate"}:                {"template", "spec"},
	{Kind: "ReplicationController"}:      {"spec", "template", "spec"},
	{Group: "apps", Kind: "Deployment"}:  {"spec", "template", "spec"},
	{Group: "apps", Kind: "ReplicaSet"}:  {"spec", "template", "spec"},
	{Group: "apps", Kind: "StatefulSet"}: {"spec", "template", "spec"},
	{Group: "apps", Kind: "DaemonSet"}:   {"spec", "template", "spec"},
	{Group: "batch", Kind: "Job"}:        {"spec", "template", "spec"},
	{Group: "batch", Kind: "CronJob"}:    {"spec", "jobTemplate", "spec", "template", "spec"},
}

// podLists are the lists of a pod's specification.
var podLists = slices.Concat(
	[]keyed{{"volumes", []string{"name"}}, {"imagePullSecrets", []string{"name"}}, {"hostAliases", []string{"ip"}}, {"resourceClaims", []string{"name"}},
		{"schedulingGates", []string{"name"}}, {"evictionResponders", []string{"name"}}, {"resources.claims", []string{"name"}},
		{"topologySpreadConstraints", []string{"topologyKey", "whenUnsatisfiable"}}},
	containerLists("initContainers"), containerLists("containers"), containerLists("ephemeralContainers"))

func jobLists(at string) []keyed {
	return []keyed{{at + "spec.podFailurePolicy.rules.*.onExitCodes.values", nil}, {at + "spec.scheduling.resourceClaims", []string{"name"}}}
}

func containerLists(at string) []keyed {
	return []keyed{{at, []string{"name"}}, {at + ".*.env", []string{"name"}}, {at + ".*.ports", []string{"containerPort", "protocol"}},
		{at + ".*.volumeMounts", []string{"mountPath"}}, {at + ".*.volumeMounts.*.bindMountOptions", nil}, {at + ".*.volumeDevices", []string{"devicePath"}},
		{at + ".*.resources.claims", []string{"name"}}, {at + ".*.restartPolicyRules.*.exitCodes.values", nil}}
}

type repetitions struct{ found []RepeatedError }

func (f *repetitions) lists(v any, path string, all []keyed) {
	for _, l := range all {
		f.follow(v, path, strings.Split(l.at, "."), l.keys)
	}
}

func (f *repetitions) follow(v any, path string, at, keys []string) {
	if len(at) == 0 {
		if list, ok := v.([]any); ok {
			f.list(list, path, keys)
		}
		return
	}
	switch x := v.(type) {
	case map[string]any:
		if below, ok := x[at[0]]; ok {
			f.follow(below, strings.TrimPrefix(path+"."+at[0], "."), at[1:], keys)
		}
	case []any:
		for i, e := range x {
			if at[0] == "*" {
				f.follow(e, path+elementName(e, i), at[1:], keys)
			}
		}
	}
}

func elementName(e any, i int) string {
	if m, ok := e.(map[string]any); ok {
		if name, ok := m["name"].(string); ok {
			return "[name=" + name + "]"
		}
	}
	return fmt.Sprintf("[%d]", i)
}

// list looks for two elements of the same key.
func (f *repetitions) list(list []any, path string, keys []string) {
	first := map[string]int{}
	for i, e := range list {
		key, ok := keyOf(e, keys)
		if !ok {
			continue // the server says what is wrong with it
		}
		if at, twice := first[key]; twice {
			f.found = append(f.found, RepeatedError{Path: path, Key: key, First: at + 1, Second: i + 1})
			continue
		}
		first[key] = i
	}
}

func keyOf(e any, keys []string) (string, bool) {
	if len(keys) == 0 {
		_, isMap := e.(map[string]any)
		_, isList := e.([]any)
		return fmt.Sprint(e), !isMap && !isList
	}
	m, ok := e.(map[string]any)
	if !ok {
		return "", false
	}
	var parts []string
	for _, k := range keys {
		v, ok := m[k]
		switch {
		case !ok && k == "protocol":
			v = "TCP" // the default
		case !ok:
			return "", false
		}
		parts = append(parts, fmt.Sprintf("%s=%v", k, v))
	}
	return strings.Join(parts, ", "), true
}

// everywhere looks for what may be at any depth: the metadata of templates, and the rules
// in the schemas of a definition.
func (f *repetitions) everywhere(v any, path string) {
	switch x := v.(type) {
	case map[string]any:
		for _, k := range sortedKeys(x) {
			next := strings.TrimPrefix(path+"."+k, ".")
			if list, ok := x[k].([]any); ok && k == "x-kubernetes-validations" {
				f.list(list, next, []string{"rule"})
			}
			if k == "metadata" {
				f.lists(x[k], next, metadataLists)
				continue
			}
			f.everywhere(x[k], next)
		}
	case []any:
		for i, e := range x {
			f.everywhere(e, path+elementName(e, i))
		}
	}
}

// schemaOf returns the schema of an object whose kind is among definitions.
func schemaOf(o Object, definitions []Object) map[string]any {
	gvk := o.GroupVersionKind()
	for _, d := range definitions {
		group, _, _ := unstructured.NestedString(d.Object, "spec", "group")
		kind, _, _ := unstructured.NestedString(d.Object, "spec", "names", "kind")
		if d.ID().GroupKind() != definitionKind || group != gvk.Group || kind != gvk.Kind {
			continue
		}
		versions, _, _ := unstructured.NestedFieldNoCopy(d.Object, "spec", "versions")
		list, _ := versions.([]any)
		for _, v := range list {
			m, _ := v.(map[string]any)
			s, _, _ := unstructured.NestedFieldNoCopy(m, "schema", "openAPIV3Schema")
			if found, ok := s.(map[string]any); ok && m["name"] == gvk.Version {
				return found
			}
		}
	}
	return nil
}

// schema follows a structural schema.
func (f *repetitions) schema(v any, path string, s map[string]any) {
	switch x := v.(type) {
	case map[string]any:
		properties, _ := s["properties"].(map[string]any)
		others, _ := s["additionalProperties"].(map[string]any)
		for _, k := range sortedKeys(x) {
			below, ok := properties[k].(map[string]any)
			if !ok {
				below = others
			}
			if below != nil {
				f.schema(x[k], strings.TrimPrefix(path+"."+k, "."), below)
			}
		}
	case []any:
		switch s["x-kubernetes-list-type"] {
		case "map":
			f.list(x, path, textsIn(s["x-kubernetes-list-map-keys"]))
		case "set":
			f.list(x, path, nil)
		}
		if items, ok := s["items"].(map[string]any); ok {
			for i, e := range x {
				f.schema(e, path+elementName(e, i), items)
			}
		}
	}
}

func sortedKeys(m map[string]any) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

func textsIn(v any) []string {
	list, _ := v.([]any)
	var out []string
	for _, e := range list {
		if s, ok := e.(string); ok {
			out = append(out, s)
		}
	}
	return out
}
