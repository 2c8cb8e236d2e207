package manifest

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Helm keeps its records in Secrets of this type and name (https://helm.sh/docs/topics/advanced/#storage-backends).
const (
	recordType   = "helm.sh/release.v1"
	recordPrefix = "sh.helm.release.v1."
)

// Reserved says why an object may not come from a chart; empty if it may. Helm's release
// records are history: a chart that brought one would say by it what is to be applied, and
// deleted, past all that its own manifest is held to.
func Reserved(o Object) string {
	gk := o.ID().GroupKind()
	if gk != (schema.GroupKind{Kind: "Secret"}) && gk != (schema.GroupKind{Kind: "ConfigMap"}) {
		return ""
	}
	kind, _ := o.Object["type"].(string)
	labels := o.GetLabels()
	switch {
	case strings.HasPrefix(o.GetName(), recordPrefix):
		return fmt.Sprintf("names that begin with %s are Helm's, for its release records: rename it", recordPrefix)
	case kind == recordType:
		return fmt.Sprintf("Secrets of type %s are Helm's release records, which no chart may bring: give it another type", recordType)
	case strings.EqualFold(labels["owner"], "helm") && labels["name"] != "" && labels["version"] != "":
		return "the labels owner, name and version make it one of Helm's release records, which no chart may bring: take one of them away"
	}
	return ""
}

// CheckReserved refuses what may not come from a chart, hooks included, by object and file.
func (r *Release) CheckReserved() error {
	for _, o := range r.CRDs {
		if why := Reserved(o); why != "" {
			return reservedError(o, why)
		}
	}
	for _, o := range r.Objects {
		if why := Reserved(o); why != "" {
			return reservedError(o, why)
		}
	}
	for _, h := range r.Hooks {
		if why := Reserved(h.Object); why != "" {
			return reservedError(h.Object, "a hook, and "+why)
		}
	}
	return nil
}

func reservedError(o Object, why string) error {
	return fmt.Errorf("%s: %s: %s", o.Source, o.ID(), why)
}
