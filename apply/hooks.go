package apply

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

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
	Test         = "test"
)

const (
	beforeCreation = "before-hook-creation"
	hookSucceeded  = "hook-succeeded"
	hookFailed     = "hook-failed"
)

// HookRun is one run of a release's hooks of one event.
type HookRun struct {
	Event   string
	Timeout time.Duration // of each hook
	// Skip is how many hooks of the event have succeeded already, before an
	// interruption; they don't run again.
	Skip int
	// Ran is told of each hook that has ended, with its place among the event's,
	// counted from one, and its error.
	Ran func(n int, h manifest.Hook, started time.Time, err error) error
	// Progress is as in WaitFor.
	Progress func([]Health)
}

// RunHooks runs a release's hooks of one event as Helm does: by weight and name,
// one after the other, each until it has ended. The first that fails, or has not
// ended after the timeout, ends it with an error. A Job or Pod that is in the way
// is always deleted first, whatever the hook's policy: neither can be run twice.
func (c *Cluster) RunHooks(ctx context.Context, rel Owner, hooks []manifest.Hook, run HookRun) error {
	due := hooksOf(hooks, run.Event)
	for i, h := range due {
		if i < run.Skip {
			continue
		}
		started := time.Now()
		err := c.runHook(ctx, rel, h, run)
		if err != nil {
			err = fmt.Errorf("%s hook %s: %w", run.Event, h.ID(), err)
		}
		if run.Ran != nil && ctx.Err() == nil {
			if rerr := run.Ran(i+1, h, started, err); rerr != nil && err == nil {
				return rerr
			}
		}
		if err != nil {
			return c.clearFailed(ctx, due[:i], h, err)
		}
	}
	return c.clearHooks(ctx, due, hookSucceeded)
}

// clearFailed deletes what the policies of a hook that failed, and of those that
// succeeded before it, don't keep.
func (c *Cluster) clearFailed(ctx context.Context, before []manifest.Hook, failed manifest.Hook, err error) error {
	if ctx.Err() != nil {
		return err
	}
	for _, derr := range []error{c.clearHooks(ctx, []manifest.Hook{failed}, hookFailed), c.clearHooks(ctx, before, hookSucceeded)} {
		if derr != nil {
			err = fmt.Errorf("%w (and %w)", err, derr)
		}
	}
	return err
}

func (c *Cluster) clearHooks(ctx context.Context, hooks []manifest.Hook, policy string) error {
	for _, h := range slices.Backward(hooks) {
		if !slices.Contains(h.DeletePolicies, policy) {
			continue
		}
		if err := c.deleteHook(ctx, h); err != nil {
			return fmt.Errorf("delete hook %s: %w", h.ID(), err)
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
	slices.SortStableFunc(due, func(a, b manifest.Hook) int {
		return cmp.Or(a.Weight-b.Weight, strings.Compare(a.GetName(), b.GetName()))
	})
	return due
}

func (c *Cluster) runHook(ctx context.Context, rel Owner, h manifest.Hook, run HookRun) error {
	marked := rel.Mark([]manifest.Object{h.Object})
	if err := c.Live.Watch(ctx, []*unstructured.Unstructured{h.Unstructured}); err != nil {
		return err
	}
	if slices.Contains(h.DeletePolicies, beforeCreation) || runsToEnd(h.ID()) {
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
	return c.waitForEnd(ctx, marked, run.Timeout, run.Progress)
}

// runsToEnd reports whether Helm waits for a hook of this kind.
func runsToEnd(id manifest.ID) bool {
	return id.GroupKind() == jobKind || id.GroupKind() == podKind
}

// deleteHook deletes a hook's object and waits until it is gone.
func (c *Cluster) deleteHook(ctx context.Context, h manifest.Hook) error {
	if h.ID().GroupKind() == definitionKind {
		return nil // with it would go every object of its kind
	}
	live, err := c.read(ctx, h.Unstructured)
	if err != nil || live == nil {
		return err
	}
	if err := c.remove(ctx, live); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	return c.awaitGone(ctx, Change{ID: h.ID(), Live: live}, nil)
}
