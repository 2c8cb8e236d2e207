package kube

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/go-logr/logr/funcr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// shouts answers as a server that has a warning for each request.
func shouts(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Warning", `299 - "v1 Endpoints is deprecated"`)
	body := `{"kind":"Endpoints","apiVersion":"v1","metadata":{"name":"x","namespace":"y"}}`
	switch r.URL.Path {
	case "/api":
		body = `{"kind":"APIVersions","versions":["v1"]}`
	case "/apis":
		body = `{"kind":"APIGroupList","apiVersion":"v1","groups":[]}`
	case "/api/v1":
		body = `{"kind":"APIResourceList","groupVersion":"v1","resources":[{"name":"endpoints","namespaced":true,"kind":"Endpoints"}]}`
	}
	_, _ = w.Write([]byte(body)) // who asks sees whether it arrived
}

// Warnings of an API server are text from outside, and go to no log past the agent's own.
func TestWarningsGoToNoOtherLog(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(shouts))
	defer server.Close()
	var said []string
	record := funcr.New(func(prefix, args string) { said = append(said, prefix+args) }, funcr.Options{})
	log.SetLogger(record)
	rest.SetDefaultWarningHandler(rest.NewWarningWriter(writer(func(text string) { said = append(said, text) }), rest.WarningWriterOptions{}))
	client, err := NewClient(&rest.Config{Host: server.URL}, Account{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx := log.IntoContext(t.Context(), record)
	object := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Endpoints", "metadata": map[string]any{"name": "x", "namespace": "y"}}}
	if err := client.Direct.Delete(ctx, object); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Dynamic.Resource(schema.GroupVersionResource{Version: "v1", Resource: "endpoints"}).Namespace("y").Get(ctx, "x", metav1.GetOptions{}); err != nil {
		t.Fatal(err)
	}
	if len(said) > 0 {
		t.Errorf("said past the log: %q", said)
	}
}

type writer func(string)

func (w writer) Write(p []byte) (int, error) {
	w(string(p))
	return len(p), nil
}
