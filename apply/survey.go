package apply

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"

	ssaerrors "github.com/fluxcd/pkg/ssa/errors"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xetys/tether/drift"
	"github.com/xetys/tether/render/manifest"
)

// Coming is what the same commit brings about before its objects need it: what
// waits for it is deferred instead of refused.
type Coming struct {
	Namespaces map[string]bool
	Kinds      map[schema.GroupKind]*unstructured.Unstructured // the kind's CustomResourceDefinition
	// Confirmed has what the commit takes away accepted.
	Confirmed bool

	absent   map[string]bool // namespaces that are known not to exist yet
	fresh    *fresh          // what is in them once they exist
	webhooks map[string]bool // admission webhooks, by name
}

var definitionKind = schema.GroupKind{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"}

// Comes collects the namespaces and kinds that objects define.
func Comes(objects []manifest.Object, namespaces ...string) Coming {
	c := Coming{Namespaces: map[string]bool{}, Kinds: map[schema.GroupKind]*unstructured.Unstructured{}}
	for _, ns := range namespaces {
		c.Namespaces[ns] = true
	}
	for _, o := range objects {
		switch o.ID().GroupKind() {
		case schema.GroupKind{Kind: "Namespace"}:
			c.Namespaces[o.GetName()] = true
		case definitionKind:
			group, _, _ := unstructured.NestedString(o.Object, "spec", "group")
			kind, _, _ := unstructured.NestedString(o.Object, "spec", "names", "kind")
			c.Kinds[schema.GroupKind{Group: group, Kind: kind}] = o.Unstructured
		}
	}
	return c.Guarded(objects...)
}

// Survey reads all that a plan needs to know: what is live, and for what is not
// known to be in place, what the API server would make of it. It sends dry-runs
// only and writes nothing. An error means that the server could not be asked;
// what it refuses is in Seen.
func (c *Cluster) Survey(ctx context.Context, want, past []manifest.Object, coming Coming) (map[manifest.ID]Seen, error) {
	var watched []*unstructured.Unstructured
	for i, o := range past {
		past[i].Unstructured = c.served(o.Unstructured)
		watched = append(watched, past[i].Unstructured)
	}
	for _, o := range want {
		watched = append(watched, o.Unstructured)
	}
	if err := c.Live.Watch(ctx, watched); err != nil {
		return nil, err
	}
	seen := make(map[manifest.ID]Seen, len(want)+len(past))
	for _, o := range past {
		live, err := c.look(ctx, o.Unstructured)
		if err != nil {
			return nil, err
		}
		seen[o.ID()] = Seen{Live: live}
	}
	var mu sync.Mutex
	err := c.each(ctx, want, func(ctx context.Context, o manifest.Object) error {
		var s Seen
		var err error
		if coming.absent[o.GetNamespace()] {
			s = c.probe(ctx, o.Unstructured, coming, namespaceComes(o.GetNamespace()))
		} else {
			s, err = c.surveyOne(ctx, o.Unstructured, coming)
		}
		mu.Lock()
		defer mu.Unlock()
		seen[o.ID()] = s
		return err
	})
	return seen, err
}

// FindAbsent asks which of the coming namespaces do not exist yet: what goes there
// need not be dry-run to know it.
func (c *Cluster) FindAbsent(ctx context.Context, coming *Coming) error {
	coming.absent, coming.fresh = map[string]bool{}, &fresh{}
	for ns := range coming.Namespaces {
		u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace"}}
		u.SetName(ns)
		live, err := c.read(ctx, u)
		if err != nil {
			return err
		}
		coming.absent[ns] = live == nil
	}
	return nil
}

func namespaceComes(namespace string) string {
	return fmt.Sprintf("its namespace %s comes with this commit", namespace)
}

// served returns a past object under a version of its API that the server still
// has: what was applied before the version went must be found all the same.
func (c *Cluster) served(u *unstructured.Unstructured) *unstructured.Unstructured {
	gvk := u.GroupVersionKind()
	if _, err := c.mapping(gvk); !meta.IsNoMatchError(err) {
		return u
	}
	m, err := c.mapper.RESTMapping(gvk.GroupKind())
	if err != nil {
		return u
	}
	u = u.DeepCopy()
	u.SetGroupVersionKind(m.GroupVersionKind)
	return u
}

// look returns a past object as the live cache has it; one that lost the
// environment's label, or is Helm's until now, is read from the server.
func (c *Cluster) look(ctx context.Context, u *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	if live, ok := c.Live.Get(manifest.IDOf(u)); ok {
		return live, nil
	}
	return c.read(ctx, u)
}

// read gets an object from the server; nil without an error if it, or its kind,
// does not exist.
func (c *Cluster) read(ctx context.Context, u *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	live := &unstructured.Unstructured{}
	live.SetGroupVersionKind(u.GroupVersionKind())
	err := c.direct.Get(ctx, client.ObjectKeyFromObject(u), live)
	if apierrors.IsNotFound(err) || meta.IsNoMatchError(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", manifest.IDOf(u), err)
	}
	return live, nil
}

func (c *Cluster) surveyOne(ctx context.Context, u *unstructured.Unstructured, coming Coming) (Seen, error) {
	id := manifest.IDOf(u)
	live, _ := c.Live.Get(id)
	if live != nil && c.knownInPlace(u) {
		return Seen{Live: live, InPlace: true}, nil
	}
	for {
		judged, err := c.dryRun(ctx, u)
		if why := deferral(u, err, coming); why != "" {
			return c.probe(ctx, u, coming, why), nil
		}
		if why := coming.guard(err); why != "" {
			return Seen{Live: live, Deferred: why, Guarded: true}, nil
		}
		if transient(err) {
			return Seen{}, fmt.Errorf("dry-run %s: %w", id, err)
		}
		if err != nil {
			changes, defErr := c.redefined(ctx, u, coming)
			if changes || defErr != nil {
				return Seen{Deferred: "its kind's definition changes with this commit"}, defErr
			}
			live, readErr := c.read(ctx, u) // the refusal may be about what exists without our label
			return Seen{Live: live, Err: err}, readErr
		}
		if !sameVersion(live, judged) {
			// The watch is behind what was dry-run, or the object exists without our
			// label: a comparison would call others' writes our drift.
			if live, err = c.read(ctx, u); err != nil {
				return Seen{}, err
			}
		}
		if sameVersion(live, judged) {
			if live != nil && settled(live, judged, drift.Compare(live, judged)) {
				c.leave(id, u, live)
			}
			return Seen{Live: live, Judged: judged}, nil
		}
	}
}

// redefined reports whether the same commit changes the definition of an object's
// kind, so that what the server says of the object now may not hold then.
func (c *Cluster) redefined(ctx context.Context, u *unstructured.Unstructured, coming Coming) (bool, error) {
	definition := coming.Kinds[u.GroupVersionKind().GroupKind()]
	if definition == nil {
		return false, nil
	}
	s, err := c.surveyOne(ctx, definition, Coming{})
	changes := !s.InPlace && s.Judged != nil && (s.Live == nil || len(drift.Compare(s.Live, s.Judged)) > 0)
	return changes, err
}

// sameVersion reports whether a dry-run was answered on the ground of the very
// object that is known. A dry-run does not change the resource version.
func sameVersion(live, judged *unstructured.Unstructured) bool {
	if live == nil {
		return judged.GetResourceVersion() == ""
	}
	return live.GetResourceVersion() == judged.GetResourceVersion()
}

// deferral says why an object cannot be dry-run before other objects of the same
// commit are there; empty if that is not what err says.
func deferral(u *unstructured.Unstructured, err error, coming Coming) string {
	gk := u.GroupVersionKind().GroupKind()
	switch {
	case err == nil:
		return ""
	case meta.IsNoMatchError(err) && coming.Kinds[gk] != nil:
		return fmt.Sprintf("its kind %s comes with this commit", gk)
	case namespaceMissing(err, u.GetNamespace()) && coming.Namespaces[u.GetNamespace()]:
		return namespaceComes(u.GetNamespace())
	}
	return ""
}

func namespaceMissing(err error, namespace string) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || !apierrors.IsNotFound(err) || status.Status().Details == nil {
		return false
	}
	d := status.Status().Details
	return d.Kind == "namespaces" && d.Name == namespace
}

// probe checks the content of an object whose namespace does not exist yet by a
// dry-run create in namespace "default": what is invalid there is invalid anywhere.
// All other refusals (a quota, a policy, a name that is taken) are about that
// namespace and say nothing.
func (c *Cluster) probe(ctx context.Context, u *unstructured.Unstructured, coming Coming, why string) Seen {
	if coming.Kinds[u.GroupVersionKind().GroupKind()] != nil {
		return Seen{Deferred: why}
	}
	probe := u.DeepCopy()
	probe.SetNamespace("default")
	err := c.direct.Create(ctx, probe, client.DryRunAll, client.FieldOwner(FieldManager), client.FieldValidation("Strict"))
	if apierrors.IsInvalid(err) || apierrors.IsBadRequest(err) {
		return Seen{Err: err}
	}
	return Seen{Deferred: why, Valid: err == nil}
}

func (c *Cluster) dryRun(ctx context.Context, u *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	return c.send(ctx, u, client.DryRunAll)
}

// transient reports whether an error says nothing about the object itself, so
// that the same request may succeed later: the network, or a server that says so.
func transient(err error) bool {
	var status apierrors.APIStatus
	var transport *url.Error
	var socket *net.OpError
	switch {
	case errors.Is(err, errComing), errors.Is(err, errBlocked), errors.As(err, &transport), errors.As(err, &socket), errors.Is(err, io.ErrUnexpectedEOF):
		return true
	case errors.As(err, &status):
		return apierrors.IsTooManyRequests(err) || apierrors.IsServerTimeout(err) || apierrors.IsTimeout(err) ||
			apierrors.IsServiceUnavailable(err) || apierrors.IsConflict(err) || apierrors.IsUnauthorized(err) || webhookDown(err)
	}
	return false
}

// errComing says that an object waits for what another release of the same
// commit brings, and has not brought yet.
var errComing = errors.New("it is not there yet")

// Transient reports whether err, or what it wraps, is worth another try with the
// same inputs: the API server was away, busy, or a webhook was down.
func Transient(err error) bool { return transient(err) }

// immutable reports whether the server refuses because of a field that can't be
// changed in place. A bare 422 or 409 does not count.
func immutable(err error) bool {
	return apierrors.IsInvalid(err) && ssaerrors.IsImmutableError(err) && strings.Contains(err.Error(), "immutable") ||
		apierrors.IsInvalid(err) && strings.Contains(err.Error(), "updates to statefulset spec for fields other than")
}

// each runs do for every object, as many at once as the cluster has slots, and
// returns the first error.
func (c *Cluster) each(ctx context.Context, objects []manifest.Object, do func(context.Context, manifest.Object) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	var once sync.Once
	var first error
	for _, o := range objects {
		release, err := c.turns.acquire(ctx)
		if err != nil {
			once.Do(func() { first = err })
			break
		}
		wg.Go(func() {
			defer release()
			if err := do(ctx, o); err != nil {
				once.Do(func() { first = err })
				cancel(err)
			}
		})
	}
	wg.Wait()
	return first
}
