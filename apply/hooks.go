package apply

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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
	Event  string
	Bounds Bounds // of the whole run
	// Revision is the release's; zero for a run of none. A Job or Pod that an earlier
	// run of the same revision started is waited for, not started again.
	Revision int
	// Request tells runs of one revision apart that were asked for one after the other.
	Request string
	// Coming is what comes with the commit: what a release that goes leaves may be replaced.
	Coming Coming
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
// ended at the deadline, ends it with an error. A Job or Pod that is in the way
// is always deleted first, whatever the hook's policy: neither can be run twice. An
// object that is not the release's is neither deleted nor changed. Trouble on the way
// ends the run without a word on the hook.
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
		if err != nil && (ctx.Err() != nil || transient(err)) {
			return err
		}
		if run.Ran != nil {
			if rerr := run.Ran(i+1, h, started, err); rerr != nil && err == nil {
				return rerr
			}
		}
		if err != nil {
			return c.clearFailed(ctx, rel, due[:i], h, run, err)
		}
	}
	return c.clearHooks(ctx, rel, due, run, hookSucceeded)
}

// clearFailed deletes what the policies of a hook that failed, and of those that
// succeeded before it, don't keep.
func (c *Cluster) clearFailed(ctx context.Context, rel Owner, before []manifest.Hook, failed manifest.Hook, run HookRun, err error) error {
	for _, derr := range []error{c.clearHooks(ctx, rel, []manifest.Hook{failed}, run, hookFailed), c.clearHooks(ctx, rel, before, run, hookSucceeded)} {
		if derr != nil {
			err = fmt.Errorf("%w (and %w)", err, derr)
		}
	}
	return err
}

func (c *Cluster) clearHooks(ctx context.Context, rel Owner, hooks []manifest.Hook, run HookRun, policy string) error {
	for _, h := range slices.Backward(hooks) {
		if !slices.Contains(h.DeletePolicies, policy) {
			continue
		}
		live, err := c.read(ctx, h.Unstructured)
		if err == nil && live != nil && rel.ownsHook(h, live) {
			err = c.deleteHook(ctx, h, live, run)
		}
		if err != nil {
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

// The annotations that say which run an object is of: of which revision, and of which
// event of it.
const (
	annotRevision = Group + "/revision"
	annotHookRun  = Group + "/hook-run"
)

// mark returns the object of a hook as it is applied.
func (r HookRun) mark(rel Owner, h manifest.Hook) *unstructured.Unstructured {
	u := rel.Mark([]manifest.Object{h.Object})[0].Unstructured
	if r.Revision > 0 {
		meta := stringMap(u.Object["metadata"]) // the marked object's own
		meta["annotations"] = with(stringMap(meta["annotations"]), map[string]any{annotRevision: strconv.Itoa(r.Revision), annotHookRun: r.name()})
	}
	return u
}

func (r HookRun) name() string { return strings.TrimSpace(r.Event + " " + r.Request) }

// started reports whether a live object was started by an earlier part of this run.
func (r HookRun) started(live *unstructured.Unstructured) bool {
	a := live.GetAnnotations()
	return r.Revision > 0 && a[annotRevision] == strconv.Itoa(r.Revision) && a[annotHookRun] == r.name() &&
		appliedByUs(live) && live.GetDeletionTimestamp() == nil
}

// BroughtBefore are the objects of hooks that run before a release's own: what they
// bring is there when those need it.
func BroughtBefore(hooks []manifest.Hook) []manifest.Object {
	var out []manifest.Object
	for _, h := range hooks {
		if slices.ContainsFunc(h.Events, func(e string) bool { return e == PreInstall || e == PreUpgrade || e == PreRollback }) {
			out = append(out, h.Object)
		}
	}
	return out
}

func (c *Cluster) runHook(ctx context.Context, rel Owner, h manifest.Hook, run HookRun) error {
	if why := rel.beyond(h.Object); why != "" { // of a record: what is rendered is refused before
		return &RefusedError{ID: h.ID(), Why: why}
	}
	u := run.mark(rel, h)
	if err := c.Live.Watch(ctx, []*unstructured.Unstructured{u}); err != nil {
		return err
	}
	live, err := c.read(ctx, u)
	if err != nil {
		return err
	}
	if live != nil && !rel.ownsHook(h, live) && !run.Coming.givesHook(rel, live) {
		return &RefusedError{ID: h.ID(), Why: rel.hookCollision(live)}
	}
	if live != nil && runsToEnd(h.ID()) && run.started(live) {
		return c.awaitEnd(ctx, h, run)
	}
	if live != nil && goesFirst(h) {
		if err := c.deleteHook(ctx, h, live, run); err != nil {
			return err
		}
	}
	if err := c.writeAgain(ctx, Change{ID: h.ID(), Object: u}); err != nil {
		return err
	}
	if !runsToEnd(h.ID()) {
		return nil
	}
	return c.awaitEnd(ctx, h, run)
}

// awaitEnd waits until a hook has ended.
func (c *Cluster) awaitEnd(ctx context.Context, h manifest.Hook, run HookRun) error {
	return c.waitForEnd(ctx, []manifest.Object{h.Object}, run.Bounds, run.Progress)
}

// goesFirst reports whether an object that is in a hook's way is deleted before it runs.
func goesFirst(h manifest.Hook) bool {
	return (slices.Contains(h.DeletePolicies, beforeCreation) || runsToEnd(h.ID())) && !holdsOthers(h)
}

// holdsOthers reports whether with the object of a hook would go all that is in it, or of
// its kind.
func holdsOthers(h manifest.Hook) bool { return h.ID().GroupKind() == definitionKind }

// runsToEnd reports whether Helm waits for a hook of this kind.
func runsToEnd(id manifest.ID) bool {
	return id.GroupKind() == jobKind || id.GroupKind() == podKind
}

// ownsHook reports whether a live object is of the release's hooks. Helm does not mark
// those that it made with the release: they are known by being a hook's at all, made by
// Helm, of the instance that the release is.
func (o Owner) ownsHook(h manifest.Hook, live *unstructured.Unstructured) bool {
	if holdsOthers(h) {
		return true // several releases may bring one
	}
	if e := live.GetLabels()[LabelEnvironment]; e != "" && e != o.Environment {
		return false
	}
	if o.owns(live) {
		return true
	}
	a, instance := live.GetAnnotations(), live.GetLabels()["app.kubernetes.io/instance"]
	return a[annotRelease] == "" && a[annotHook] != "" && (instance == "" || instance == o.Name) && madeByHelm(live)
}

// givesHook reports whether what another release of the environment left of its hooks may
// be replaced: that release is gone, or goes with this commit.
func (c Coming) givesHook(rel Owner, live *unstructured.Unstructured) bool {
	a := live.GetAnnotations()
	from := a[annotReleaseSpace] + "/" + a[annotRelease]
	goes := c.Moves.Changing[from]
	for _, owner := range c.Moves.Owners {
		goes = goes && owner != from
	}
	return c.gives(rel, live) || goes && live.GetLabels()[LabelEnvironment] == rel.Environment
}

const annotHook = "helm.sh/hook"

func madeByHelm(live *unstructured.Unstructured) bool {
	return slices.ContainsFunc(live.GetManagedFields(), func(m metav1.ManagedFieldsEntry) bool { return strings.Contains(m.Manager, "helm") })
}

// hookCollision says whose a live object is that is in a hook's way.
func (o Owner) hookCollision(live *unstructured.Unstructured) string {
	if e := live.GetLabels()[LabelEnvironment]; e != "" && e != o.Environment {
		return fmt.Sprintf("a hook would replace it, and it belongs to environment %s: remove it there, or rename it here", e)
	}
	return "a hook would replace it: " + o.collision(live)
}

// deleteHook deletes a hook's object and waits until it is gone, as long as the run may.
func (c *Cluster) deleteHook(ctx context.Context, h manifest.Hook, live *unstructured.Unstructured, run HookRun) error {
	if holdsOthers(h) {
		return nil
	}
	if live.GetDeletionTimestamp() == nil {
		if err := persist(ctx, func() error { return c.remove(ctx, live) }); err != nil {
			return err
		}
	}
	within, cancel := context.WithDeadline(ctx, run.Bounds.End(time.Now()))
	defer cancel()
	err := c.awaitGone(within, Change{ID: h.ID(), Live: live}, run.Progress)
	if errors.Is(err, errBlocked) && ctx.Err() == nil {
		reason := "it is being deleted"
		if f := live.GetFinalizers(); len(f) > 0 {
			reason += fmt.Sprintf(", and finalizers %v hold it", f)
		}
		return &UnhealthyError{Objects: []Health{{ID: h.ID(), State: Progressing, Reason: reason}}, TimedOut: true, Timeout: run.Bounds.Timeout}
	}
	return err
}
