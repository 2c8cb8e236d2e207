package apply

import (
	"context"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/xetys/tether/render/manifest"
)

// The points of a release's life at which hooks run
// (https://helm.sh/docs/topics/charts_hooks/).
const (
	PreInstall   = "pre-install"
	PostInstall  = "post-install"
	PreUpgrade   = "pre-upgrade"
	PostUpgrade  = "post-upgrade"
	PreRollback  = "pre-rollback"
	PostRollback = "post-rollback"
	PreDelete    = "pre-delete"
	PostDelete   = "post-delete"
)

const (
	beforeCreation = "before-hook-creation"
	hookSucceeded  = "hook-succeeded"
	hookFailed     = "hook-failed"
)

// RunHooks runs a release's hooks of one event as Helm does: by weight, one
// after the other, each until it has ended. The first that fails, or has not
// ended after the timeout, ends it with an error. progress is as in WaitFor.
func (c *Cluster) RunHooks(ctx context.Context, rel Owner, hooks []manifest.Hook, event string, timeout time.Duration, progress func([]Health)) error {
	due := hooksOf(hooks, event)
	for _, h := range due {
		if err := c.runHook(ctx, rel, h, timeout, progress); err != nil {
			err = fmt.Errorf("%s hook %s: %w", event, h.ID(), err)
			if slices.Contains(h.DeletePolicies, hookFailed) {
				if derr := c.deleteHook(ctx, h); derr != nil {
					return fmt.Errorf("%w (and deleting it: %w)", err, derr)
				}
			}
			return err
		}
	}
	for _, h := range due {
		if slices.Contains(h.DeletePolicies, hookSucceeded) {
			if err := c.deleteHook(ctx, h); err != nil {
				return fmt.Errorf("%s hook %s: %w", event, h.ID(), err)
			}
		}
	}
	return nil
}

func hooksOf(hooks []manifest.Hook, event string) []manifest.Hook {
	var due []manifest.Hook
	for _, h := range hooks {
		if slices.Contains(h.Events, event) {
			due = append(due, h)
		}
	}
	slices.SortStableFunc(due, func(a, b manifest.Hook) int { return a.Weight - b.Weight })
	return due
}

func (c *Cluster) runHook(ctx context.Context, rel Owner, h manifest.Hook, timeout time.Duration, progress func([]Health)) error {
	marked := rel.Mark([]manifest.Object{h.Object})
	if err := c.Live.Watch(ctx, []*unstructured.Unstructured{h.Unstructured}); err != nil {
		return err
	}
	if slices.Contains(h.DeletePolicies, beforeCreation) {
		if err := c.deleteHook(ctx, h); err != nil {
			return err
		}
	}
	if err := c.write(ctx, Change{ID: h.ID(), Object: marked[0].Unstructured}); err != nil {
		return err
	}
	if !runsToEnd(h.ID()) {
		return nil
	}
	return c.Wait(ctx, marked, timeout, progress)
}

// runsToEnd reports whether Helm waits for a hook of this kind.
func runsToEnd(id manifest.ID) bool {
	gk := id.GroupKind()
	return gk == schema.GroupKind{Group: "batch", Kind: "Job"} || gk == schema.GroupKind{Kind: "Pod"}
}

// deleteHook deletes a hook's object and waits until it is gone.
func (c *Cluster) deleteHook(ctx context.Context, h manifest.Hook) error {
	live, err := c.read(ctx, h.Unstructured)
	if err != nil || live == nil {
		return err
	}
	if err := c.remove(ctx, live); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	return c.awaitGone(ctx, Change{ID: h.ID(), Live: live})
}
