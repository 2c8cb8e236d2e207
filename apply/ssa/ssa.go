// Package ssa applies objects by server-side apply, as a dry-run or for real, and moves the
// ownership of fields where the API server would otherwise refuse the wanted object
// (https://kubernetes.io/docs/reference/using-api/server-side-apply/).
//
// It does not know plans or releases, nor why an object is applied.
package ssa

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xetys/tether/apply/kube"
	"github.com/xetys/tether/apply/live"
	"github.com/xetys/tether/apply/ownership"
	"github.com/xetys/tether/drift"
	"github.com/xetys/tether/render/manifest"
)

// Applier applies objects to one cluster. It is safe for concurrent use.
type Applier struct {
	client *kube.Client
	live   *live.Cache
}

// New returns an Applier; the cache saves requests.
func New(client *kube.Client, cache *live.Cache) *Applier {
	return &Applier{client: client, live: cache}
}

// Strip removes the fields that people's tools added to an object, except the paths in leave,
// and returns the server's answer; nil if there is nothing to remove.
func (a *Applier) Strip(ctx context.Context, live *unstructured.Unstructured, leave []string) (*unstructured.Unstructured, error) {
	patch, err := drift.Strip(live, ownership.FieldManager, ownership.Tools, leave)
	if err != nil || patch == nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, kube.RequestTimeout)
	defer cancel()
	answer := live.DeepCopy()
	if err := a.client.Direct.Patch(ctx, answer, client.RawPatch(types.JSONPatchType, patch), client.FieldOwner(ownership.FieldManager)); err != nil {
		return nil, fmt.Errorf("remove foreign fields of %s: %w", manifest.IDOf(live), err)
	}
	return answer, nil
}
