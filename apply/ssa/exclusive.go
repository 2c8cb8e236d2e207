package ssa

import (
	"context"
	"encoding/json"
	"maps"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xetys/tether/apply/apierror"
	"github.com/xetys/tether/apply/kube"
	"github.com/xetys/tether/apply/ownership"
	"github.com/xetys/tether/drift"
	"github.com/xetys/tether/render/manifest"
)

// adaptation is how an object is applied that the API server does not take as it stands.
type adaptation struct {
	// object is what is applied.
	object *unstructured.Unstructured
	// live is the object as it is, and gone what has to leave it first.
	live *unstructured.Unstructured
	gone []drift.Sibling
	// answer is the dry-run's.
	answer *unstructured.Unstructured
}

// maxAttempts bounds how often the server is asked again about what it complained of: it
// may see one thing only when another is out of its way.
const maxAttempts = 4

// DryRun applies an object in a dry-run, with the field ownership that a write will have, and
// returns the result. A wanted field may exclude another one, which the object has as a
// default, by Helm or by hand: server-side apply leaves a field that somebody else or nobody
// owns, and the server refuses the two together. The unwanted one is then removed, in the
// dry-run and in the write.
func (a *Applier) DryRun(ctx context.Context, u *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	answer, err := a.client.Send(ctx, u, client.DryRunAll)
	if err == nil {
		return a.dryRunAdopted(ctx, u, answer)
	}
	w, err := a.adapt(ctx, u, err)
	return w.answer, err
}

// dryRunAdopted asks anew about an object that is adopted, if it then loses what Helm, or who
// had it, owns.
func (a *Applier) dryRunAdopted(ctx context.Context, u, answer *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	if answer.GetResourceVersion() == "" || !ownership.Managed(answer, ownership.FormerManagers(false)) {
		return answer, nil
	}
	live, err := a.live.GetOrRead(ctx, u)
	if err != nil || live == nil || !ownership.ManagedByOthers(live) || len(drift.Dropped(live, u, ownership.FieldManager, ownership.Heir(live))) == 0 {
		return answer, err
	}
	return a.dryRunMerged(ctx, live, u, nil)
}

// Apply applies an object for real, as the DryRun found, and returns the server's answer.
func (a *Applier) Apply(ctx context.Context, u *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	answer, err := a.client.Send(ctx, u)
	if err == nil || !apierror.Invalid(err) {
		return answer, err
	}
	w, err := a.adapt(ctx, u, err)
	if err != nil {
		return nil, err
	}
	if len(w.gone) > 0 {
		_, err := a.takeOver(ctx, w.live, func(live *unstructured.Unstructured) ([]metav1.ManagedFieldsEntry, error) {
			return drift.Claim(live, ownership.FieldManager, w.gone)
		})
		if err != nil {
			return nil, err
		}
	}
	return a.client.Send(ctx, w.object)
}

// adapt finds a way to apply an object that the server refused. An error is the refusal
// that stays, or says that the server could not be asked.
func (a *Applier) adapt(ctx context.Context, u *unstructured.Unstructured, refusal error) (adaptation, error) {
	w := adaptation{object: u}
	if apierror.Transient(refusal) || !apierror.Invalid(refusal) && !apierrors.IsForbidden(refusal) {
		return w, refusal
	}
	if less, some := drift.WithoutNulls(u, apierror.FieldPaths(refusal)); some {
		var err error
		if w.answer, err = a.client.Send(ctx, less, client.DryRunAll); err == nil {
			w.object = less
			return w, nil
		}
		w.object, refusal = less, err
	}
	var err error
	if w.live, err = a.client.Read(ctx, u); err != nil {
		return w, err
	}
	if w.live == nil {
		return w, refusal
	}
	return a.withoutSiblings(ctx, w, refusal)
}

// withoutSiblings finds the fields that have to be removed first.
func (a *Applier) withoutSiblings(ctx context.Context, w adaptation, refusal error) (adaptation, error) {
	adopted := ownership.ManagedByOthers(w.live)
	for attempt := range maxAttempts {
		known := len(w.gone)
		w.gone = addSiblings(w.gone, drift.Siblings(w.live, w.object, ownership.FieldManager, apierror.FieldPaths(refusal)))
		if len(w.gone) == known && (attempt > 0 || !adopted) {
			return w, refusal
		}
		var err error
		if w.answer, err = a.dryRunMerged(ctx, w.live, w.object, w.gone); err == nil {
			return a.keepOthers(ctx, w)
		}
		if !apierror.Invalid(err) {
			return w, err
		}
		refusal = err
	}
	return w, refusal
}

func addSiblings(known, more []drift.Sibling) []drift.Sibling {
	for _, s := range more {
		if !slices.ContainsFunc(known, func(k drift.Sibling) bool { return k.Path == s.Path }) {
			known = append(known, s)
		}
	}
	return known
}

// maxKept bounds how many fields of others are tried to be left.
const maxKept = 16

// keepOthers leaves the fields that somebody else set and that need not be removed.
func (a *Applier) keepOthers(ctx context.Context, w adaptation) (adaptation, error) {
	owned := 0
	for i := 0; i < len(w.gone) && len(w.gone) > 1; {
		if owned++; !w.gone[i].Owned || owned > maxKept {
			i++
			continue
		}
		fewer := slices.Delete(slices.Clone(w.gone), i, i+1)
		answer, err := a.dryRunMerged(ctx, w.live, w.object, fewer)
		switch {
		case err == nil:
			w.gone, w.answer = fewer, answer
		case apierror.Invalid(err):
			i++
		default:
			return w, err
		}
	}
	return w, nil
}

// dryRunMerged dry-runs what an object will be once ownership has moved, as one change.
func (a *Applier) dryRunMerged(ctx context.Context, live, want *unstructured.Unstructured, gone []drift.Sibling) (*unstructured.Unstructured, error) {
	patch, err := replacing(live, drift.Merged(live, want, ownership.FieldManager, ownership.Heir(live), gone))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, kube.RequestTimeout)
	defer cancel()
	answer := live.DeepCopy()
	return answer, a.client.Direct.Patch(ctx, answer, client.RawPatch(types.JSONPatchType, patch), client.DryRunAll, client.FieldOwner(ownership.FieldManager))
}

type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value,omitempty"`
}

// replacing is a JSON patch (RFC 6902) that makes an object what it is to be, but for
// what is the server's of it.
func replacing(live, after *unstructured.Unstructured) ([]byte, error) {
	var patch []operation
	differ := func(path string, before, after map[string]any, skip ...string) {
		for _, k := range slices.Sorted(maps.Keys(manifest.With(before, after))) {
			v, there := after[k]
			switch {
			case slices.Contains(skip, k):
			case !there:
				patch = append(patch, operation{Op: "remove", Path: path + k})
			default:
				patch = append(patch, operation{Op: "add", Path: path + k, Value: v})
			}
		}
	}
	differ("/", live.Object, after.Object, "apiVersion", "kind", "metadata", "status")
	meta := func(u *unstructured.Unstructured) map[string]any {
		all, out := manifest.AsMap(u.Object["metadata"]), map[string]any{}
		for _, k := range []string{"labels", "annotations", "finalizers", "ownerReferences"} {
			if v, ok := all[k]; ok {
				out[k] = v
			}
		}
		return out
	}
	differ("/metadata/", meta(live), meta(after))
	return json.Marshal(patch)
}
