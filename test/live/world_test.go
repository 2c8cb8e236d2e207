package live_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/xetys/tether/apply"
	"github.com/xetys/tether/apply/ownership"
	"github.com/xetys/tether/render/manifest"
	"github.com/xetys/tether/test/cluster"
)

// world is a namespace, a person who edits in it, and a Cluster that watches it
// through a network that can be cut.
type world struct {
	t       testing.TB
	space   string
	server  *cluster.Cluster
	dyn     dynamic.Interface // the person's
	cluster *apply.Cluster
	net     *network

	mu   sync.Mutex
	told map[manifest.ID]int // how often an object was said to have drifted
}

var worlds atomic.Int32

// newWorld gives the Cluster the identity of a user; of an administrator if empty.
func newWorld(t testing.TB, user string) *world {
	w := &world{t: t, server: cluster.Shared(t), space: fmt.Sprintf("live-%d-%d", os.Getpid(), worlds.Add(1)), net: &network{}, told: map[manifest.ID]int{}}
	var err error
	config := rest.CopyConfig(w.server.Config)
	config.WarningHandler = rest.NoWarnings{}
	if w.dyn, err = dynamic.NewForConfig(config); err != nil {
		t.Fatal(err)
	}
	w.net.streams = map[*stream]struct{}{}
	config.Wrap(w.net.wrap)
	config.Impersonate.UserName = strings.ReplaceAll(user, "$NS", w.space)
	if w.cluster, err = apply.Connect(config, w.space, apply.Options{Changed: w.tell}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.cluster.Close)
	w.create("{apiVersion: v1, kind: Namespace, metadata: {name: $NS}}")
	return w
}

func (w *world) tell(id manifest.ID, drifted bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if drifted {
		w.told[id]++
	}
}

func (w *world) toldOf(u *unstructured.Unstructured) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.told[manifest.IDOf(u)]
}

var resources = map[string]schema.GroupVersionResource{
	"Namespace":                {Version: "v1", Resource: "namespaces"},
	"ConfigMap":                {Version: "v1", Resource: "configmaps"},
	"Role":                     {Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "roles"},
	"RoleBinding":              {Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "rolebindings"},
	"CustomResourceDefinition": {Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"},
}

func (w *world) api(u *unstructured.Unstructured) dynamic.ResourceInterface {
	gvr, ok := resources[u.GetKind()]
	if !ok {
		gvk := u.GroupVersionKind()
		gvr = schema.GroupVersionResource{Group: gvk.Group, Version: gvk.Version, Resource: strings.ToLower(gvk.Kind) + "s"}
	}
	if u.GetNamespace() == "" {
		return w.dyn.Resource(gvr)
	}
	return w.dyn.Resource(gvr).Namespace(u.GetNamespace())
}

func (w *world) parse(text string) *unstructured.Unstructured {
	w.t.Helper()
	u := parse(w.t, strings.ReplaceAll(text, "$NS", w.space))
	if u.GetKind() != "Namespace" && u.GetKind() != "CustomResourceDefinition" {
		u.SetNamespace(w.space)
	}
	u.SetLabels(map[string]string{ownership.LabelEnvironment: w.space})
	return u
}

// create applies an object of the environment, and tries again while its kind is
// not served yet.
func (w *world) create(text string) *unstructured.Unstructured {
	w.t.Helper()
	u := w.parse(text)
	w.until("create "+u.GetName(), func() bool {
		_, err := w.api(u).Apply(context.Background(), u.GetName(), u, metav1.ApplyOptions{FieldManager: ownership.FieldManager, Force: true})
		if err != nil && !strings.Contains(err.Error(), "could not find the requested resource") && !unreachable(err) {
			w.t.Fatal(err)
		}
		return err == nil
	})
	return u
}

func unreachable(err error) bool {
	var status interface{ Status() metav1.Status }
	return !errors.As(err, &status) || status.Status().Code > http.StatusInternalServerError
}

func (w *world) delete(u *unstructured.Unstructured) {
	w.t.Helper()
	if err := w.api(u).Delete(context.Background(), u.GetName(), metav1.DeleteOptions{}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) watch(objects ...*unstructured.Unstructured) {
	w.t.Helper()
	if err := w.cluster.Live.Watch(context.Background(), objects); err != nil {
		w.t.Fatal(err)
	}
}

// value is a live object's data.a; "gone" if it is not there.
func (w *world) value(u *unstructured.Unstructured) string {
	live, ok := w.cluster.Live.Get(manifest.IDOf(u))
	if !ok {
		return "gone"
	}
	v, _, _ := unstructured.NestedString(live.Object, "data", "a")
	return v
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

// network is the agent's way to the API server. It can be cut, and counts.
type network struct {
	mu      sync.Mutex
	down    bool
	streams map[*stream]struct{}
	asked   []string // method and URL of each request
}

var errCut = errors.New("the network is cut")

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func (n *network) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		n.mu.Lock()
		down := n.down
		n.asked = append(n.asked, r.Method+" "+r.URL.String())
		n.mu.Unlock()
		if down {
			return nil, errCut
		}
		resp, err := next.RoundTrip(r)
		if err == nil && r.URL.Query().Get("watch") != "" {
			s := &stream{ReadCloser: resp.Body, net: n}
			n.mu.Lock()
			n.streams[s] = struct{}{}
			n.mu.Unlock()
			resp.Body = s
		}
		return resp, err
	})
}

// cut ends all watches; if it stays down, nothing gets through until mend.
func (n *network) cut(down bool) {
	n.mu.Lock()
	n.down = down
	var streams []*stream
	for s := range n.streams {
		streams = append(streams, s)
	}
	n.mu.Unlock()
	for _, s := range streams {
		_ = s.Close() // it may have ended by itself
	}
}

func (n *network) mend() { n.cut(false) }

// requests returns how many requests whose URL contains a text were sent.
func (n *network) requests(text string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	count := 0
	for _, r := range n.asked {
		if strings.Contains(r, text) {
			count++
		}
	}
	return count
}

// watches returns how many watches are open.
func (n *network) watches() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.streams)
}

type stream struct {
	io.ReadCloser
	net *network
}

// Close notes that the watch has ended.
func (s *stream) Close() error {
	s.net.mu.Lock()
	delete(s.net.streams, s)
	s.net.mu.Unlock()
	return s.ReadCloser.Close()
}
