package kube

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	"github.com/xetys/tether/test/hosts"
)

// An API server that leads elsewhere is not followed there, whichever client asks: the token
// is the API server's alone.
func TestTheTokenGoesToNoOtherServer(t *testing.T) {
	thief := &hosts.Eavesdropper{}
	elsewhere := httptest.NewServer(thief)
	defer elsewhere.Close()
	moved := true
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case moved:
			http.Redirect(w, r, elsewhere.URL+r.URL.RequestURI(), http.StatusTemporaryRedirect)
		case !strings.HasPrefix(r.URL.Path, "/moved"):
			http.Redirect(w, r, "/moved"+r.URL.RequestURI(), http.StatusTemporaryRedirect)
		default:
			r.URL.Path = strings.TrimPrefix(r.URL.Path, "/moved")
			shouts(w, r)
		}
	}))
	defer server.Close()
	config := &rest.Config{Host: server.URL, BearerToken: "the-agents-token"}
	client, err := NewClient(config, Account{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	reviews, err := NewReviews(config)
	if err != nil {
		t.Fatal(err)
	}
	connected, endpoints := NewConnection(client, "prod"), schema.GroupVersionResource{Version: "v1", Resource: "endpoints"}
	read := func() error {
		_, err := client.Dynamic.Resource(endpoints).Namespace("y").Get(t.Context(), "x", metav1.GetOptions{})
		return err
	}
	for name, ask := range map[string]func() error{
		"dynamic": read,
		"typed": func() error {
			_, err := client.Typed.CoreV1().Secrets("y").Get(t.Context(), "x", metav1.GetOptions{})
			return err
		},
		"metadata": func() error {
			_, err := client.Metadata.Resource(endpoints).Namespace("y").Get(t.Context(), "x", metav1.GetOptions{})
			return err
		},
		"own": func() error {
			_, err := connected.Ping(t.Context())
			return err
		},
		"unfenced": func() error {
			_, err := client.own.unfenced.CoreV1().ConfigMaps("y").Get(t.Context(), "x", metav1.GetOptions{})
			return err
		},
		"lookup": func() error {
			_, err := connected.Lookup(t.Context()).dyn.Resource(endpoints).Namespace("y").Get(t.Context(), "x", metav1.GetOptions{})
			return err
		},
		"a reader's token": func() error {
			_, err := reviews.WhoIs(t.Context(), "a-readers-token")
			return err
		},
		"a write": func() error {
			review := &authenticationv1.TokenReview{}
			_, err := client.Typed.AuthenticationV1().TokenReviews().Create(t.Context(), review, metav1.CreateOptions{})
			return err
		},
	} {
		if err := ask(); err == nil || !strings.Contains(err.Error(), "which is another server: it is not asked") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if told := thief.Requests(); len(told) > 0 {
		t.Errorf("the other server was told %q", told)
	}
	moved = false
	if err := read(); err != nil {
		t.Errorf("on the same server: %v", err)
	}
}
