package live_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/xetys/tether/apply/health"
	"github.com/xetys/tether/apply/judge"
	"github.com/xetys/tether/apply/live"
	"github.com/xetys/tether/render/manifest"
)

const configMap = "{apiVersion: v1, kind: ConfigMap, metadata: {name: %s}, data: {a: '%s'}}"

func mapOf(name, value string) string {
	return strings.Replace(strings.Replace(configMap, "%s", name, 1), "%s", value, 1)
}

// What happens while nothing is heard, for longer than the API server remembers, is
// found by a new list: edits, creations, deletions, and what was deleted and made anew.
func TestNothingIsMissedWhileTheWatchIsDown(t *testing.T) {
	for name, restart := range map[string]bool{
		"the connection was lost":                      false,
		"and the API server has forgotten the version": true,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "")
			kept, edited := w.create(mapOf("kept", "1")), w.create(mapOf("edited", "1"))
			deleted, anew := w.create(mapOf("deleted", "1")), w.create(mapOf("anew", "1"))
			w.watch(kept, edited, deleted, anew)
			w.until("all is seen", func() bool {
				return w.value(kept) == "1" && w.value(edited) == "1" && w.value(deleted) == "1" && w.value(anew) == "1"
			})
			before, _ := w.cluster.Live.Get(manifest.IDOf(anew))
			w.net.cut(true)
			w.create(mapOf("edited", "2"))
			w.delete(deleted)
			w.delete(anew)
			w.create(mapOf("anew", "1"))
			created := w.create(mapOf("created", "1"))
			if restart {
				w.server.RestartServer(t)
			}
			toldOfDeleted, lists := w.toldOf(deleted), w.lists()
			w.net.mend()
			w.until("the edit is seen", func() bool { return w.value(edited) == "2" })
			w.until("the deletion is seen", func() bool { return w.value(deleted) == "gone" && w.toldOf(deleted) > toldOfDeleted })
			w.until("the creation is seen", func() bool { return w.value(created) == "1" })
			w.until("the new object is seen", func() bool {
				live, ok := w.cluster.Live.Get(manifest.IDOf(anew))
				return ok && live.GetUID() != before.GetUID()
			})
			if w.value(kept) != "1" {
				t.Errorf("what nothing happened to is %s", w.value(kept))
			}
			if restart && w.lists() == lists {
				t.Error("the API server was to have forgotten the version: nothing was listed anew")
			}
		})
	}
}

// lists counts lists of ConfigMaps, streamed or not.
func (w *world) lists() int {
	return w.net.requests("sendInitialEvents=true") + w.net.requests("/configmaps?") - w.net.requests("watch=true")
}

const thing = "{apiVersion: $NS.example.com/%s, kind: Widget, metadata: {name: one}, data: {a: '1'}}"

func widget(version string) string { return strings.Replace(thing, "%s", version, 1) }

func widgets(served ...string) string {
	text := "{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: widgets.$NS.example.com}, spec: {group: $NS.example.com, scope: Namespaced, " +
		"names: {kind: Widget, plural: widgets, singular: widget, listKind: WidgetList}, versions: ["
	for _, v := range served {
		name, how, _ := strings.Cut(v, " ")
		text += "{name: " + name + ", served: " + yes(how != "unserved") + ", storage: " + yes(name == "v2") +
			", schema: {openAPIV3Schema: {type: object, properties: {data: {type: object, x-kubernetes-preserve-unknown-fields: true}}}}},"
	}
	return text + "]}}"
}

func yes(b bool) string {
	if b {
		return "true"
	}
	return "false"
}

// A kind whose definition is deleted takes its objects with it: that is told, the
// server is not asked again and again, and when the kind is back it is told again.
func TestAKindThatVanishesAndComesBack(t *testing.T) {
	w := newWorld(t, "")
	definition, one := w.create(widgets("v2")), w.create(widget("v2"))
	t.Cleanup(func() { w.delete(definition) })
	w.watch(one)
	w.until("it is seen", func() bool { return w.value(one) == "1" })
	w.delete(definition)
	w.until("its end is seen", func() bool { return w.value(one) == "gone" && w.toldOf(one) > 0 })
	w.until("the kind is known to be gone", func() bool { w.watch(one); return w.net.requests("/apis") > 1 && w.gone("/widgets") })
	asked, watches := len(w.net.asked), w.net.requests("/widgets")
	time.Sleep(4 * time.Second) // what is measured is that time
	if n, m := len(w.net.asked)-asked, w.net.requests("/widgets")-watches; n > 15 || m > 1 {
		t.Errorf("%d requests in 4 s while a kind is gone, %d of them for its objects", n, m)
	}
	told := w.toldOf(one)
	w.create(widgets("v2"))
	w.until("that the kind is back is told", func() bool { return w.toldOf(one) > told })
	w.create(widget("v2"))
	w.until("it is seen again", func() bool { w.watch(one); return w.value(one) == "1" })
}

// gone reports whether no more requests for a path are being sent.
func (w *world) gone(path string) bool {
	before := w.net.requests(path)
	time.Sleep(time.Second) // what is looked at is that time
	return w.net.requests(path) == before
}

// A kind that was not there when it was first asked for is told of when it comes.
func TestAKindThatComesLater(t *testing.T) {
	w := newWorld(t, "")
	one := w.parse(widget("v2"))
	w.watch(one)
	if w.value(one) != "gone" {
		t.Fatal("there is an object of a kind that is not there")
	}
	definition := w.create(widgets("v2"))
	t.Cleanup(func() { w.delete(definition) })
	w.until("the kind is told of", func() bool { return w.toldOf(one) > 0 })
	w.create(widget("v2"))
	w.watch(one)
	w.until("it is seen", func() bool { return w.value(one) == "1" })
}

// An object that is watched in a version that is served no longer is not taken for
// what it was; asked for in another version it is there, and watched only in that.
func TestAVersionThatIsServedNoLonger(t *testing.T) {
	w := newWorld(t, "")
	definition, old := w.create(widgets("v1", "v2")), w.create(widget("v1"))
	t.Cleanup(func() { w.delete(definition) })
	w.watch(old)
	w.until("it is seen", func() bool { return w.value(old) == "1" })
	w.create(widgets("v1 unserved", "v2"))
	w.net.cut(false) // the server ends a watch of such a version only when it times out
	w.until("it is told of", func() bool { return w.value(old) == "gone" && w.toldOf(old) > 0 })
	young := w.parse(widget("v2"))
	w.watch(young)
	if w.value(young) != "1" {
		t.Errorf("in the version that is served it is %s", w.value(young))
	}
	told := w.toldOf(old)
	w.create(widgets("v1", "v2"))
	w.until("that the version is back is told", func() bool { return w.toldOf(old) > told })
	w.until("it is seen in the old version", func() bool {
		w.watch(young, old) // the last one counts
		live, ok := w.cluster.Live.Get(manifest.IDOf(old))
		return ok && live.GroupVersionKind().Version == "v1"
	})
	w.until("it is watched in one version", func() bool { return w.net.watches() == 1 })
}

const (
	reader  = "{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: reader}, rules: [{apiGroups: [''], resources: [configmaps], verbs: [get, list, watch]}]}"
	binding = "{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: reader}, subjects: [{kind: User, name: agent-$NS, apiGroup: rbac.authorization.k8s.io}], " +
		"roleRef: {kind: Role, name: reader, apiGroup: rbac.authorization.k8s.io}}"
)

// Who loses the permission to watch does not take the last that was seen for what is:
// it is said to be unknown until the permission is back, and what happened meanwhile is
// seen then. A Role in the namespace is permission enough.
func TestALostPermissionIsTold(t *testing.T) {
	w := newWorld(t, "agent-$NS")
	w.create(reader)
	bound := w.create(binding)
	one := w.create(mapOf("one", "1"))
	w.until("the permission is there", func() bool {
		return w.cluster.Live.Watch(context.Background(), []*unstructured.Unstructured{one}) == nil
	})
	w.until("it is seen", func() bool { return w.value(one) == "1" })
	if h := w.health(one); h.State != health.Healthy || len(w.cluster.Unwatchable()) > 0 {
		t.Fatalf("it is %+v", h)
	}
	told := w.toldOf(one)
	w.delete(bound)
	w.until("the watch is refused", func() bool { w.net.cut(false); return len(w.cluster.Unwatchable()) == 1 })
	w.until("it is told of", func() bool { return w.toldOf(one) > told })
	if h := w.health(one); h.State != health.Unknown || !strings.Contains(h.Reason, "can't be watched since") || !strings.Contains(h.Reason, "forbidden") {
		t.Errorf("it is %+v", h)
	}
	var blind *live.UnwatchableError
	if err := w.cluster.Live.Watch(context.Background(), []*unstructured.Unstructured{one}); !errors.As(err, &blind) {
		t.Errorf("who asks is told %v", err)
	}
	asked := len(w.net.asked)
	time.Sleep(3 * time.Second) // what is measured is that time
	if n := len(w.net.asked) - asked; n > 10 {
		t.Errorf("%d requests in 3 s without permission", n)
	}
	w.create(mapOf("one", "2"))
	told = w.toldOf(one)
	w.create(binding)
	w.until("what happened meanwhile is seen", func() bool { return w.value(one) == "2" })
	w.until("that it is seen again is told", func() bool { return w.toldOf(one) > told && len(w.cluster.Unwatchable()) == 0 })
	if h := w.health(one); h.State != health.Healthy {
		t.Errorf("it is %+v", h)
	}
}

func (w *world) health(u *unstructured.Unstructured) judge.Health {
	return w.cluster.Judge.Health([]manifest.ID{manifest.IDOf(u)})[0]
}

// Of many objects that come and go nothing stays behind but their namespace's one
// watch.
func TestOneWatchForAllOfAKind(t *testing.T) {
	w := newWorld(t, "")
	var all []*unstructured.Unstructured
	for _, name := range []string{"a", "b", "c", "d"} {
		all = append(all, w.create(mapOf(name, "1")))
		w.watch(all...)
	}
	if n := w.net.watches(); n != 1 {
		t.Errorf("%d watches for one kind in one namespace", n)
	}
}
