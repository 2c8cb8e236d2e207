package apply

import (
	"context"
	"encoding/json"
	"fmt"
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

// way is how an object is applied that the API server does not take as it stands.
type way struct {
	// object is what is applied.
	object *unstructured.Unstructured
	// live is the object as it is, and gone what has to leave it first.
	live *unstructured.Unstructured
	gone []drift.Sibling
	// judged is what the server makes of it.
	judged *unstructured.Unstructured
}

// mostRounds bounds how often the server is asked again about what it complained of: it
// may see one thing only when another is out of its way.
const mostRounds = 4

// judge asks the server by dry-runs what it makes of an object, with the ownership that
// a write will have. A field that is wanted may exclude another one, which the object has
// as a default, by Helm or by hand: server-side apply leaves there what somebody else
// owns, or nobody, and so the server refuses both together. The one that is not wanted
// then makes way, in the dry-run and in the write alike.
func (c *Cluster) judge(ctx context.Context, u *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	judged, err := c.Send(ctx, u, client.DryRunAll)
	if err == nil {
		return c.judgeAdopted(ctx, u, judged)
	}
	w, err := c.around(ctx, u, err)
	return w.judged, err
}

// judgeAdopted judges anew what is adopted, if it then loses what Helm, or who had it,
// owns.
func (c *Cluster) judgeAdopted(ctx context.Context, u, judged *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	if judged.GetResourceVersion() == "" || !ownership.Managed(judged, ownership.FormerManagers(false)) {
		return judged, nil
	}
	live, err := c.look(ctx, u)
	if err != nil || live == nil || !ownership.ManagedByOthers(live) || len(drift.Dropped(live, u, ownership.FieldManager, ownership.Heir(live))) == 0 {
		return judged, err
	}
	return c.trial(ctx, live, u, nil)
}

// submit applies an object for real, in the way that judge found.
func (c *Cluster) submit(ctx context.Context, u *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	answer, err := c.Send(ctx, u)
	if err == nil || !apierror.Unacceptable(err) {
		return answer, err
	}
	w, err := c.around(ctx, u, err)
	if err != nil {
		return nil, err
	}
	if len(w.gone) > 0 {
		_, err := c.takeOver(ctx, w.live, func(live *unstructured.Unstructured) ([]metav1.ManagedFieldsEntry, error) {
			return drift.Claim(live, ownership.FieldManager, w.gone)
		})
		if err != nil {
			return nil, err
		}
	}
	return c.Send(ctx, w.object)
}

// around finds a way to apply an object that the server refused. An error is the refusal
// that stays, or says that the server could not be asked.
func (c *Cluster) around(ctx context.Context, u *unstructured.Unstructured, refusal error) (way, error) {
	w := way{object: u}
	if apierror.Transient(refusal) || !apierror.Unacceptable(refusal) && !apierrors.IsForbidden(refusal) {
		return w, refusal
	}
	if less, some := drift.WithoutNulls(u, apierror.Complaints(refusal)); some {
		var err error
		if w.judged, err = c.Send(ctx, less, client.DryRunAll); err == nil {
			w.object = less
			return w, nil
		}
		w.object, refusal = less, err
	}
	var err error
	if w.live, err = c.Read(ctx, u); err != nil {
		return w, err
	}
	if w.live == nil {
		return w, refusal
	}
	return c.makeWay(ctx, w, refusal)
}

// makeWay finds the siblings that have to go.
func (c *Cluster) makeWay(ctx context.Context, w way, refusal error) (way, error) {
	adopted := ownership.ManagedByOthers(w.live)
	for round := range mostRounds {
		known := len(w.gone)
		w.gone = addSiblings(w.gone, drift.Siblings(w.live, w.object, ownership.FieldManager, apierror.Complaints(refusal)))
		if len(w.gone) == known && (round > 0 || !adopted) {
			return w, refusal
		}
		var err error
		if w.judged, err = c.trial(ctx, w.live, w.object, w.gone); err == nil {
			return c.spare(ctx, w)
		}
		if !apierror.Unacceptable(err) {
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

// mostSpared bounds how many fields of others are tried to be left.
const mostSpared = 16

// spare leaves what somebody else set and what need not go.
func (c *Cluster) spare(ctx context.Context, w way) (way, error) {
	owned := 0
	for i := 0; i < len(w.gone) && len(w.gone) > 1; {
		if owned++; !w.gone[i].Owned || owned > mostSpared {
			i++
			continue
		}
		fewer := slices.Delete(slices.Clone(w.gone), i, i+1)
		judged, err := c.trial(ctx, w.live, w.object, fewer)
		switch {
		case err == nil:
			w.gone, w.judged = fewer, judged
		case apierror.Unacceptable(err):
			i++
		default:
			return w, err
		}
	}
	return w, nil
}

// trial dry-runs what an object will be like once ownership has moved, as one change.
func (c *Cluster) trial(ctx context.Context, live, want *unstructured.Unstructured, gone []drift.Sibling) (*unstructured.Unstructured, error) {
	patch, err := replacing(live, drift.Merged(live, want, ownership.FieldManager, ownership.Heir(live), gone))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, kube.RequestTimeout)
	defer cancel()
	answer := live.DeepCopy()
	return answer, c.Direct.Patch(ctx, answer, client.RawPatch(types.JSONPatchType, patch), client.DryRunAll, client.FieldOwner(ownership.FieldManager))
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

// inherit makes ours what Helm, or who had an object until now, owns of it.
func (c *Cluster) inherit(ctx context.Context, live *unstructured.Unstructured) error {
	_, err := c.takeOver(ctx, live, func(live *unstructured.Unstructured) ([]metav1.ManagedFieldsEntry, error) {
		return ownership.Inheritance(live)
	})
	return err
}

// mostConflicts bounds how often an object may change while its managed fields are.
const mostConflicts = 5

// takeOver changes who owns what of an object, and begins anew when the object changed
// meanwhile, as a status does at any time. A change of nil is none. It returns the object
// as it is then.
func (c *Cluster) takeOver(ctx context.Context, live *unstructured.Unstructured, change func(live *unstructured.Unstructured) ([]metav1.ManagedFieldsEntry, error)) (*unstructured.Unstructured, error) {
	for try := 0; ; try++ {
		managed, err := change(live)
		if err == nil && managed == nil {
			return live, nil
		}
		var answer *unstructured.Unstructured
		if err == nil {
			answer, err = c.manage(ctx, live, managed)
		}
		if err == nil {
			return answer, nil
		}
		if !apierrors.IsConflict(err) || try == mostConflicts {
			return live, fmt.Errorf("take over fields of %s: %w", manifest.IDOf(live), err)
		}
		again, err := c.Read(ctx, live)
		if err != nil || again == nil {
			return live, err
		}
		live = again
	}
}
