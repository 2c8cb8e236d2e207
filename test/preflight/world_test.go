// Package preflight_test holds what the preflight says to what the API server does
// afterwards.
package preflight_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/xetys/tether/apply"
	"github.com/xetys/tether/apply/plan"
	"github.com/xetys/tether/apply/wait"
	"github.com/xetys/tether/render/manifest"
	"github.com/xetys/tether/test/cluster"
)

func TestMain(m *testing.M) { cluster.Main(m) }

// world is a namespace, a release in it, and a person who does as he likes.
type world struct {
	t       *testing.T
	space   string
	server  *cluster.Cluster
	dyn     dynamic.Interface // the person's
	cluster *apply.Cluster
	owner   plan.Owner
	sent    atomic.Int64 // requests of the cluster
	fault   atomic.Pointer[func(*http.Request) *http.Response]
}

var worlds atomic.Int32

// newWorld gives the Cluster the identity of a user; of an administrator if empty.
func newWorld(t *testing.T, user string) *world { return newWorldOn(t, cluster.Shared(t), user) }

func newWorldOn(t *testing.T, server *cluster.Cluster, user string) *world {
	w := &world{t: t, server: server, space: fmt.Sprintf("preflight-%d-%d", os.Getpid(), worlds.Add(1))}
	w.owner = plan.Owner{Environment: w.space, Name: "web", Namespace: w.space}
	config := rest.CopyConfig(w.server.Config)
	config.WarningHandler = rest.NoWarnings{}
	var err error
	if w.dyn, err = dynamic.NewForConfig(config); err != nil {
		t.Fatal(err)
	}
	w.cluster = w.connect(user)
	w.person("{apiVersion: v1, kind: Namespace, metadata: {name: $NS}}")
	return w
}

// as is the same world for another test or another agent.
func (w *world) as(t *testing.T, c *apply.Cluster) *world {
	return &world{t: t, space: w.space, server: w.server, dyn: w.dyn, owner: w.owner, cluster: c}
}

// connect returns a Cluster as another process of the agent would have it.
func (w *world) connect(user string) *apply.Cluster {
	w.t.Helper()
	config := rest.CopyConfig(w.server.Config)
	config.WarningHandler = rest.NoWarnings{}
	config.Impersonate.UserName = user
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			w.sent.Add(1)
			if fault := w.fault.Load(); fault != nil {
				if resp := (*fault)(r); resp != nil {
					return resp, nil
				}
			}
			return next.RoundTrip(r)
		})
	})
	c, err := apply.Connect(config, w.space, apply.Options{})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(c.Close)
	return c
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func (w *world) parse(text string) []manifest.Object {
	w.t.Helper()
	objects, err := manifest.Parse(strings.ReplaceAll(text, "$NS", w.space), w.space, w.cluster.Namespaced)
	if err != nil {
		w.t.Fatal(err)
	}
	return objects
}

func (w *world) plan(text, past string, more ...string) plan.Plan {
	w.t.Helper()
	want, had := w.owner.Mark(w.parse(text)), w.parse(past)
	provisions := plan.ProvisionsOf(append(w.parse(strings.Join(more, "\n---\n")), want...), w.space)
	if err := w.cluster.Surveyor.FindAbsent(w.t.Context(), &provisions); err != nil {
		w.t.Fatal(err)
	}
	observations, err := w.cluster.Surveyor.Survey(w.t.Context(), want, had, provisions)
	if err != nil {
		w.t.Fatal(err)
	}
	return plan.NewPlan(w.owner, want, had, observations, provisions)
}

// refused holds a plan to be refused for a reason.
func (w *world) refused(text, past, reason string, more ...string) {
	w.t.Helper()
	plan := w.plan(text, past, more...)
	if len(plan.Refusals()) == 0 || !strings.Contains(plan.String(), reason) {
		w.t.Fatalf("it is not refused because of %q:\n%s", reason, plan)
	}
}

// apply has the cluster what is wanted.
func (w *world) apply(text string) {
	w.t.Helper()
	plan := w.plan(text, "")
	if len(plan.Refusals()) > 0 {
		w.t.Fatalf("it is refused:\n%s", plan)
	}
	if err := w.cluster.Executor.Apply(w.t.Context(), w.t.Context(), w.owner, plan, nil); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) api(u *unstructured.Unstructured) dynamic.ResourceInterface {
	gvk := u.GroupVersionKind()
	gvr, _ := meta.UnsafeGuessKindToResource(gvk)
	if u.GetNamespace() == "" {
		return w.dyn.Resource(gvr)
	}
	return w.dyn.Resource(gvr).Namespace(u.GetNamespace())
}

// person applies objects by hand.
func (w *world) person(text string) []manifest.Object {
	w.t.Helper()
	objects := w.parse(text)
	for _, o := range objects {
		w.until("apply "+o.GetName(), func() bool {
			_, err := w.api(o.Unstructured).Apply(context.Background(), o.GetName(), o.Unstructured, metav1.ApplyOptions{FieldManager: "kubectl", Force: true})
			if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsForbidden(err) {
				w.t.Fatal(err)
			}
			return err == nil
		})
	}
	return objects
}

func (w *world) object(kind, version, name string) *unstructured.Unstructured {
	u := &unstructured.Unstructured{}
	gv, err := schema.ParseGroupVersion(version)
	if err != nil {
		w.t.Fatal(err)
	}
	u.SetGroupVersionKind(gv.WithKind(kind))
	u.SetNamespace(w.space)
	u.SetName(name)
	return u
}

// get returns a live object; nil if there is none.
func (w *world) get(kind, version, name string) *unstructured.Unstructured {
	w.t.Helper()
	u := w.object(kind, version, name)
	live, err := w.api(u).Get(context.Background(), name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return live
}

// deleted deletes an object by hand.
func (w *world) deleted(kind, version, name string) {
	w.t.Helper()
	u := w.object(kind, version, name)
	if !w.namespaced(u) {
		u.SetNamespace("")
	}
	if err := w.api(u).Delete(context.Background(), name, metav1.DeleteOptions{}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) namespaced(u *unstructured.Unstructured) bool {
	namespaced, _ := w.cluster.Namespaced(u.GroupVersionKind())
	return namespaced
}

func (w *world) until(what string, holds func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(90 * time.Second); !holds(); {
		if time.Now().After(deadline) {
			w.t.Fatalf("not within 90 seconds: %s", what)
		}
		time.Sleep(20 * time.Millisecond) // between two looks at a condition
	}
}

// within returns a context for waits that has so long.
func (w *world) within(long time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(w.t.Context(), long)
	w.t.Cleanup(cancel)
	return ctx
}

func isUnhealthy(err error) bool {
	var unhealthy *wait.UnhealthyError
	return errors.As(err, &unhealthy)
}

// nested is a string of an object; empty if it has none.
func nested(u *unstructured.Unstructured, path ...string) string {
	if u == nil {
		return ""
	}
	text, _, _ := unstructured.NestedString(u.Object, path...)
	return text
}
