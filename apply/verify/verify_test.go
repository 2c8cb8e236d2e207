package verify

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/xetys/tether/apply/plan"
	"github.com/xetys/tether/apply/wait"
	"github.com/xetys/tether/render/manifest"
	"github.com/xetys/tether/source/outbound"
	"github.com/xetys/tether/test/hosts"
)

func TestWhereAChecksAddressLeads(t *testing.T) {
	other := &hosts.Eavesdropper{}
	elsewhere := httptest.NewServer(other)
	defer elsewhere.Close()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		switch req.URL.Path {
		case "/away":
			http.Redirect(w, req, elsewhere.URL+"/health?token=hidden", http.StatusFound)
		case "/moved":
			http.Redirect(w, req, "/health", http.StatusFound)
		case "/cloud":
			http.Redirect(w, req, "http://169.254.169.254/latest", http.StatusFound)
		case "/round":
			http.Redirect(w, req, "/round", http.StatusFound)
		default:
			fmt.Fprint(w, "UP")
		}
	}))
	defer server.Close()
	here := outbound.Rule{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	for _, c := range []struct {
		name, url, why string
		status         int
		reach          outbound.Rule
	}{
		{"this machine, by default", server.URL + "/health", "127.0.0.1 is the agent's own machine: nothing is asked there", 200, outbound.Rule{}},
		{"this machine by name", strings.Replace(server.URL, "127.0.0.1", "localhost", 1) + "/health", "is the agent's own machine", 200, outbound.Rule{}},
		{"this machine, allowed", server.URL + "/health", "", 200, here},
		{"a cloud's addresses", "http://169.254.169.254/latest", "169.254.169.254 is link-local", 200, here},
		{"within the server", server.URL + "/moved", "", 200, here},
		{"round and round", server.URL + "/round", "it redirects more than 10 times", 200, here},
		{"to another server", server.URL + "/away", server.URL + "/away redirects to " + elsewhere.URL + "/health, which is another server", 200, here},
		{"to a cloud's addresses", server.URL + "/cloud", "which is another server", 200, here},
		{"to another server, as it is to", server.URL + "/away", "", 302, here},
	} {
		t.Run(c.name, func(t *testing.T) {
			cluster := &Verifier{Reach: c.reach}
			check := manifest.Check{URL: c.url, Status: c.status}
			err := cluster.Verify(context.Background(), plan.Owner{}, nil, []manifest.Check{check}, wait.Within(0, time.Now()), nil)
			var failed *Error
			if c.why == "" && err != nil || c.why != "" && (!errors.As(err, &failed) || !strings.Contains(failed.Reason, c.why) || strings.Contains(failed.Reason, "hidden")) {
				t.Errorf("%v; want %q", err, c.why)
			}
		})
	}
	if told := other.Requests(); len(told) > 0 {
		t.Errorf("the other server was told %q", told)
	}
}
