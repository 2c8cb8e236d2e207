package kube

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
)

// apis is an API server that tells what it can do and nothing else, and that answers the first
// requests for a path with an error.
type apis struct {
	*httptest.Server
	mu    sync.Mutex
	fails map[string]int // by path, how many requests fail
	asked map[string]int
}

func newAPIs(t *testing.T) *apis {
	t.Helper()
	answers := map[string]any{
		"/version": map[string]string{"gitVersion": "v1.37.2"},
		"/api":     metav1.APIVersions{TypeMeta: metav1.TypeMeta{Kind: "APIVersions"}, Versions: []string{"v1"}},
		"/api/v1": metav1.APIResourceList{TypeMeta: metav1.TypeMeta{Kind: "APIResourceList"}, GroupVersion: "v1", APIResources: []metav1.APIResource{
			{Name: "configmaps", SingularName: "configmap", Namespaced: true, Kind: "ConfigMap", Verbs: []string{"get", "list"}}}},
		"/apis": metav1.APIGroupList{TypeMeta: metav1.TypeMeta{Kind: "APIGroupList", APIVersion: "v1"}, Groups: []metav1.APIGroup{
			{Name: "apps", Versions: []metav1.GroupVersionForDiscovery{{GroupVersion: "apps/v1", Version: "v1"}}}}},
		"/apis/apps/v1": metav1.APIResourceList{TypeMeta: metav1.TypeMeta{Kind: "APIResourceList"}, GroupVersion: "apps/v1", APIResources: []metav1.APIResource{
			{Name: "deployments", SingularName: "deployment", Namespaced: true, Kind: "Deployment", Verbs: []string{"get", "list"}}}},
	}
	a := &apis{fails: map[string]int{}, asked: map[string]int{}}
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.asked[req.URL.Path]++
		var out any = answers[req.URL.Path]
		w.Header().Set("Content-Type", "application/json")
		if a.fails[req.URL.Path] > 0 {
			a.fails[req.URL.Path]--
			w.WriteHeader(http.StatusInternalServerError)
			out = metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure, Code: http.StatusInternalServerError, Message: "etcdserver: leader changed"}
		}
		if err := json.NewEncoder(w).Encode(out); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(a.Close)
	return a
}

// One request of a discovery that fails is sent again by itself: no commit waits for it, and no
// kind is taken for one that the API server does not have.
func TestARequestOfDiscoveryThatFailsIsSentAgain(t *testing.T) {
	for _, path := range []string{"/version", "/api", "/api/v1", "/apis", "/apis/apps/v1"} {
		t.Run(path, func(t *testing.T) {
			a := newAPIs(t)
			client, err := NewClient(&rest.Config{Host: a.URL}, Account{}, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			a.fails[path] = 1
			caps, err := client.Capabilities()
			if err != nil {
				t.Fatal(err)
			}
			if len(caps.APIVersions) != 4 {
				t.Errorf("the API server has %q", caps.APIVersions)
			}
			if _, err := client.Mapping(schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}); err != nil {
				t.Error(err)
			}
			if a.asked[path] != 2 {
				t.Errorf("%s was asked for %d times, not twice: %v", path, a.asked[path], a.asked)
			}
		})
	}
}
