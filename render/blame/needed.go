package blame

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/xetys/tether/drift"
	"github.com/xetys/tether/render"
	"github.com/xetys/tether/render/manifest"
)

// namedBy are the fields, by what stands in their paths, with which objects name others.
var namedBy = map[string][]string{
	"Service":               {"service.name", "serviceName", "serviceRef.name"},
	"ConfigMap":             {"configMap.name", "configMapRef.name", "configMapKeyRef.name"},
	"Secret":                {"secretName", "secretRef.name", "secretKeyRef.name", "imagePullSecrets", "secret.name"},
	"ServiceAccount":        {"serviceAccountName", "subjects"},
	"PersistentVolumeClaim": {"claimName"},
	"Role":                  {"roleRef.name"},
	"ClusterRole":           {"roleRef.name"},
	"StorageClass":          {"storageClassName"},
	"Deployment":            {"scaleTargetRef.name", "targetRef.name"},
	"StatefulSet":           {"scaleTargetRef.name", "targetRef.name"},
}

// NeededBy says what of an environment depends on an object of a release: the releases
// that come after it, and the objects that name it or select its pods.
func (b *Blamer) NeededBy(ctx context.Context, head *Commit, environment, release, object string) ([]string, error) {
	env, err := render.LoadEnvironment(head.Files, environment)
	if err != nil {
		return nil, err
	}
	var out []string
	var all []rendered
	for _, spec := range env.Releases {
		if slices.Contains(spec.DependsOn, release) {
			out = append(out, "release "+spec.Name)
		}
		rel, err := b.Rendered(ctx, head, environment, spec.Name)
		if err != nil {
			out = append(out, fmt.Sprintf("release %s can't be rendered, and was not asked", spec.Name))
			continue
		}
		all = append(all, allOf(rel)...)
	}
	i := slices.IndexFunc(all, func(o rendered) bool { return o.ID().String() == object })
	if i < 0 {
		return out, nil
	}
	for _, o := range all {
		if o.ID() != all[i].ID() && (names(o.Object, all[i].ID()) || selects(o.Object, all[i].Object)) && !slices.Contains(out, o.ID().String()) {
			out = append(out, o.ID().String())
		}
	}
	return out, nil
}

// names reports whether an object names another, of its own namespace or of none.
func names(o manifest.Object, id manifest.ID) bool {
	if id.Namespace != "" && o.GetNamespace() != "" && o.GetNamespace() != id.Namespace {
		return false
	}
	return slices.ContainsFunc(drift.Leaves(o.Object), func(l drift.Leaf) bool {
		return l.Value == id.Name && slices.ContainsFunc(namedBy[id.Kind], func(at string) bool { return strings.Contains(l.Path, at) })
	})
}

// selects reports whether an object's selector is about another's pods.
func selects(o, of manifest.Object) bool {
	if o.GetNamespace() != of.GetNamespace() {
		return false
	}
	labels, found, err := unstructured.NestedStringMap(of.Object, "spec", "template", "metadata", "labels")
	if !found || err != nil {
		return false
	}
	for _, path := range [][]string{{"spec", "selector"}, {"spec", "selector", "matchLabels"}, {"spec", "podSelector", "matchLabels"}} {
		wanted, found, err := unstructured.NestedStringMap(o.Object, path...)
		if !found || err != nil || len(wanted) == 0 {
			continue
		}
		all := true
		for k, v := range wanted {
			all = all && labels[k] == v
		}
		return all
	}
	return false
}
