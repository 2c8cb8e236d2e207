package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/xetys/tether/apply/apierror"
)

// configMaps is an API server with nothing but ConfigMaps: as many of half a MiB as a list of
// them is asked for, and any by its name.
func configMaps(t *testing.T, listed int) *httptest.Server {
	t.Helper()
	one := func(name string) corev1.ConfigMap {
		return corev1.ConfigMap{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"}, ObjectMeta: metav1.ObjectMeta{Namespace: "alpha", Name: name},
			Data: map[string]string{"text": strings.Repeat("x", 512<<10)}}
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		var out any
		switch path := req.URL.Path; {
		case path == "/api":
			out = metav1.APIVersions{TypeMeta: metav1.TypeMeta{Kind: "APIVersions"}, Versions: []string{"v1"}}
		case path == "/apis":
			out = metav1.APIGroupList{TypeMeta: metav1.TypeMeta{Kind: "APIGroupList", APIVersion: "v1"}}
		case path == "/api/v1":
			out = metav1.APIResourceList{TypeMeta: metav1.TypeMeta{Kind: "APIResourceList"}, GroupVersion: "v1", APIResources: []metav1.APIResource{
				{Name: "configmaps", SingularName: "configmap", Namespaced: true, Kind: "ConfigMap", Verbs: []string{"get", "list"}}}}
		case strings.HasSuffix(path, "/configmaps"):
			list := corev1.ConfigMapList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMapList"}}
			for i := range listed {
				list.Items = append(list.Items, one(fmt.Sprint(i)))
			}
			out = list
		default:
			out = one(path[strings.LastIndex(path, "/")+1:])
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(out) // the client looks at what came
	}))
	t.Cleanup(server.Close)
	return server
}

// What a render looks up is held in the agent's memory, and a chart can have made as much of
// it as it likes: it is bounded together.
func TestWhatARenderLooksUpIsBounded(t *testing.T) {
	for _, c := range []struct {
		name          string
		listed, named int
		why           string
	}{
		{"a list with room", 4, 0, ""},
		{"a list that is too large", 40, 0, "look up a ConfigMap: with it this render has looked up more than 16 MiB: ask for less, by namespace and name"},
		{"some by name", 0, 10, ""},
		{"too many by name", 0, 40, "with it this render has looked up more than 16 MiB"},
	} {
		t.Run(c.name, func(t *testing.T) {
			connected, err := NewClient(&rest.Config{Host: configMaps(t, c.listed).URL}, Account{}, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer connected.Close()
			client, _, err := NewConnection(connected, "alpha").Lookup(context.Background()).GetClientFor("v1", "ConfigMap")
			if err != nil {
				t.Fatal(err)
			}
			in := client.Namespace("alpha")
			if c.named == 0 {
				_, err = in.List(context.Background(), metav1.ListOptions{})
			}
			for i := range c.named {
				if err == nil {
					_, err = in.Get(context.Background(), fmt.Sprint("n", i), metav1.GetOptions{})
				}
			}
			if (err == nil) != (c.why == "") || err != nil && !strings.Contains(err.Error(), c.why) || apierror.Transient(err) {
				t.Errorf("%v; want %q", err, c.why)
			}
		})
	}
}

// A kind that the API server does not have has no objects: its name, in a request, would be
// taken for that of a resource, and all of its objects be read.
func TestAKindThatIsNotThereHasNoObjects(t *testing.T) {
	connected, err := NewClient(&rest.Config{Host: configMaps(t, 1).URL}, Account{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	cluster := NewConnection(connected, "alpha")
	defer cluster.Close()
	for _, kind := range []string{"Nonsense", "configmap", "configmaps", "", ".", "ConfigMapList"} {
		client, namespaced, err := cluster.Lookup(context.Background()).GetClientFor("v1", kind)
		if err != nil || namespaced {
			t.Fatalf("%q: namespaced %t, %v", kind, namespaced, err)
		}
		for _, name := range []string{"configmaps", "secrets", "namespaces"} {
			if o, err := client.Get(context.Background(), name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
				t.Errorf("%q %s: %v, %v", kind, name, o, err)
			}
			if o, err := client.Namespace("beta").Get(context.Background(), name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
				t.Errorf("%q beta/%s: %v, %v", kind, name, o, err)
			}
		}
		if o, err := client.List(context.Background(), metav1.ListOptions{}); !apierrors.IsNotFound(err) {
			t.Errorf("a list of %q: %v, %v", kind, o, err)
		}
	}
}
