package plan

import (
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/xetys/tether/apply/ownership"
	"github.com/xetys/tether/apply/realm"
	"github.com/xetys/tether/apply/scaling"
	"github.com/xetys/tether/drift"
	"github.com/xetys/tether/render/manifest"
)

// Owner is the release that an object belongs to, with the rules by which its objects are
// compared and corrected.
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
	// Had are the objects that a good rollout of the release applied. One that somebody
	// replaced or made anew without any owner's marks is the release's still.
	Had map[manifest.ID]bool
	// Ignore are fields that are left to others.
	Ignore []manifest.Ignore
	// Realm says what the release may touch.
	Realm realm.Realm
	// Scaling is what the release says of its workloads' numbers.
	Scaling scaling.Intent
}

// Scales returns the owner with its objects, wanted and former, that decide on the replicas of
// others.
func (o Owner) Scales(want, past []manifest.Object) Owner {
	o.Scaling = scaling.IntentOf(want, past)
	return o
}

// OutsideRealm says why the release may not write or delete an object; empty if it may.
func (o Owner) OutsideRealm(obj manifest.Object) string {
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

// Uncorrected lists the fields of a live object that differ from the wanted ones and would be
// corrected by a change that the API server refuses. Fields that the agent still owns were not
// changed, and are left out, since there is no dry-run that says how they would be written.
func (o Owner) Uncorrected(c Change) []drift.Field {
	if c.Live == nil || c.Object == nil {
		return nil
	}
	nobody := func(string, string) bool { return false }
	fields := drift.Compare(c.Live, drift.Merged(c.Live, c.Object, ownership.FieldManager, nobody, nil))
	return slices.DeleteFunc(fields, func(f drift.Field) bool { return f.Manager == ownership.FieldManager })
}

// foreign lists what people's tools added to a live object.
func (o Owner) foreign(id manifest.ID, live *unstructured.Unstructured) []drift.Field {
	return drift.Foreign(live, ownership.FieldManager, ownership.Tools, o.FieldsLeftToOthers(id, live))
}

// FieldsLeftToOthers lists the fields of a live object that others may set, as JSON pointers.
func (o Owner) FieldsLeftToOthers(id manifest.ID, live *unstructured.Unstructured) []string {
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
		meta := maps.Clone(manifest.AsMap(u.Object["metadata"]))
		u.Object["metadata"] = meta
		meta["labels"] = manifest.With(manifest.AsMap(meta["labels"]), map[string]any{
			ownership.LabelEnvironment: o.Environment, ownership.LabelManagedBy: "Helm",
		})
		meta["annotations"] = manifest.With(manifest.AsMap(meta["annotations"]), map[string]any{
			ownership.AnnotRelease: o.Name, ownership.AnnotReleaseSpace: o.Namespace,
		})
		encodeStringData(u)
		concede(u)
		out[i] = manifest.Object{Unstructured: u, Source: obj.Source}
	}
	return out
}

// encodeStringData writes a Secret's stringData as data, as the server does: a
// field that is never read back can't be owned, and so not be held.
func encodeStringData(u *unstructured.Unstructured) {
	plain := manifest.AsMap(u.Object["stringData"])
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
	u.Object["data"] = manifest.With(manifest.AsMap(u.Object["data"]), encoded)
	delete(u.Object, "stringData")
}

// Owns reports whether a live object carries the release's name, as Helm and
// Tether leave it, or lost it and was applied by Tether for the environment all the same.
func (o Owner) Owns(live *unstructured.Unstructured) bool {
	a, of := live.GetAnnotations(), live.GetLabels()[ownership.LabelEnvironment]
	if a[ownership.AnnotRelease] == "" {
		return ownership.AppliedByUs(live) && (of == "" || of == o.Environment)
	}
	return a[ownership.AnnotRelease] == o.Name && (a[ownership.AnnotReleaseSpace] == o.Namespace || a[ownership.AnnotReleaseSpace] == "")
}

// unmarked reports whether a live object that says no owner is the release's by what was
// rolled out: somebody replaced it, or deleted it and made it anew. What a controller made
// is the controller's.
func (o Owner) unmarked(id manifest.ID, live *unstructured.Unstructured) bool {
	of := live.GetLabels()[ownership.LabelEnvironment]
	return o.Had[id] && live.GetAnnotations()[ownership.AnnotRelease] == "" && (of == "" || of == o.Environment) && len(live.GetOwnerReferences()) == 0
}

// collision says whose a live object is that is not the release's.
func (o Owner) collision(live *unstructured.Unstructured) string {
	a := live.GetAnnotations()
	if a[ownership.AnnotRelease] != "" {
		return fmt.Sprintf("it exists, and belongs to release %s/%s: remove it there, or rename it here", a[ownership.AnnotReleaseSpace], a[ownership.AnnotRelease])
	}
	by := "somebody else"
	if m := live.GetManagedFields(); len(m) > 0 {
		by = m[0].Manager
	}
	return fmt.Sprintf("it exists, made by %s, and belongs to no release; to hand it over: annotate it with %s=%s and %s=%s",
		by, ownership.AnnotRelease, o.Name, ownership.AnnotReleaseSpace, o.Namespace)
}
