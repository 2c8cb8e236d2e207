package verify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/xetys/tether/apply/kube"
	"github.com/xetys/tether/apply/plan"
	"github.com/xetys/tether/apply/wait"
	"github.com/xetys/tether/render/manifest"
	"github.com/xetys/tether/test/hosts"
)

// endless is what never ends.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// A Service is asked with the agent's own token, for who writes the commit and the program
// behind the Service: neither a path nor a redirect leads away from the Service.
func TestWhereAServicesPathLeads(t *testing.T) {
	other := &hosts.Eavesdropper{}
	elsewhere := httptest.NewServer(other)
	defer elsewhere.Close()
	const proxy = "/api/v1/namespaces/alpha/services/http:web:80/proxy"
	var beyond []string
	var server *httptest.Server
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		switch req.URL.Path {
		case proxy + "/away":
			http.Redirect(w, req, elsewhere.URL+"/health", http.StatusFound)
		case proxy + "/key":
			http.Redirect(w, req, server.URL+"/api/v1/namespaces/system/secrets/key", http.StatusFound)
		case proxy + "/up":
			w.Header().Set("Location", "../../../../../secrets") // as the API server passes it on
			w.WriteHeader(http.StatusFound)
		case proxy + "/moved":
			http.Redirect(w, req, proxy+"/health?from=moved", http.StatusFound)
		case proxy + "/endless":
			_, _ = io.Copy(w, io.LimitReader(endless{}, 1<<30)) // until nobody reads
		case proxy + "/denied":
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprint(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","message":"no endpoints available for service \"web\"","reason":"ServiceUnavailable","code":503}`)
		case proxy + "/health":
			fmt.Fprintf(w, "UP %s", req.URL.RawQuery)
		default:
			beyond = append(beyond, req.URL.Path)
			fmt.Fprint(w, `{"data":{"key":"hidden"}}`)
		}
	}))
	defer server.Close()
	client, err := kube.NewClient(&rest.Config{Host: server.URL, BearerToken: "the-agents-token"}, kube.Account{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	cluster := New(client, nil)
	for _, c := range []struct {
		name, path, why string
		status          int
	}{
		{"the Service", "/health", "", 200},
		{"with a query", "/health?a=b&c=d", "", 200},
		{"up to a Secret", "/../../../../../system/secrets/key", "its path leads away from the Service", 200},
		{"up within the query", "/health?a=../../b", "", 200},
		{"within the Service", "/moved", "", 200},
		{"to another server", "/away", "/away redirects to " + elsewhere.URL + "/health, which is not the Service's", 200},
		{"to another server, as it is to", "/away", "", 302},
		{"to a Secret", "/key", "redirects to " + server.URL + "/api/v1/namespaces/system/secrets/key, which is not the Service's", 200},
		{"to Secrets, by a path", "/up", "which is not the Service's", 200},
		{"what the API server says", "/denied", `it answered 503, not 200: no endpoints available for service "web"`, 200},
		{"without an end", "/endless", "", 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			check := manifest.Check{Service: &manifest.ServiceRef{Name: "web", Port: "80", Path: c.path, Scheme: "http"}, Status: c.status}
			err := cluster.Verify(context.Background(), plan.Owner{Namespace: "alpha"}, nil, []manifest.Check{check}, wait.Within(0, time.Now()), nil)
			var failed *Error
			if c.why == "" && err != nil || c.why != "" && (!errors.As(err, &failed) || !strings.Contains(failed.Reason, c.why)) {
				t.Errorf("%v; want %q", err, c.why)
			}
		})
	}
	if told := other.Requests(); len(told) > 0 {
		t.Errorf("the other server was told %q", told)
	}
	if len(beyond) > 0 {
		t.Errorf("the API server was asked for %q", beyond)
	}
}
