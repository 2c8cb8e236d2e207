package fetch_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/xetys/tether/render/fetch"
	"github.com/xetys/tether/source/outbound"
)

// A login page, or a portal's, is named as that, with its content type and host, and may be
// gone the next time.
func TestAPageIsNoAnswer(t *testing.T) {
	t.Parallel()
	const page = "\n<!DOCTYPE html><html><title>Log in</title></html>"
	for _, c := range []struct{ sentence, kind, body, want string }{
		{"a login page", "text/html; charset=utf-8", page, "answered with 200 OK and a page (text/html), and not as a registry or chart repository does"},
		{"a page that calls itself JSON", "application/json", page, "a page (application/json)"},
		{"a page with a mark at its beginning", "text/html", "\xef\xbb\xbf<html>", "a page (text/html)"},
		{"nothing", "", "", "answered with 200 OK and nothing else"},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", c.kind)
			fmt.Fprint(w, c.body)
		}))
		defer server.Close()
		host := server.Listener.Addr().String()
		login := httptest.NewServer(http.RedirectHandler("https://"+host+"/login", http.StatusFound))
		defer login.Close()
		for what, ref := range map[string]fetch.Reference{
			"index":          reference(t, "https://"+host+"/charts/web", "^1"),
			"packed chart":   reference(t, "https://"+host+"/web.tgz", ""),
			"manifest":       reference(t, "oci://"+host+"/charts/web", "1.0.0"),
			"list of tags":   reference(t, "oci://"+host+"/charts/web", "^1"),
			"redirect to it": reference(t, "https://"+login.Listener.Addr().String()+"/charts/web", "^1"),
		} {
			f, err := fetch.New(fetch.Options{Reach: outbound.Rule{Local: true}})
			if err != nil {
				t.Fatal(err)
			}
			_, _, err = f.Get(t.Context(), ref, nil, nil)
			var away *fetch.AwayError
			if !errors.As(err, &away) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), host) {
				t.Errorf("%s for the %s: %v", c.sentence, what, err)
			}
		}
	}
}
