package fetch_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/xetys/tether/render/fetch"
	"github.com/xetys/tether/test/hosts"
)

// ann is a login for one host alone.
func ann(host string) fetch.Logins {
	return func(_ context.Context, asked string) (*fetch.Login, error) {
		if asked != host {
			return nil, nil
		}
		return fetch.SecretLogin("a Secret", host, map[string][]byte{"username": []byte("ann"), "password": []byte("s3cret-of-ann")})
	}
}

// boundedError holds a server to have been boundedError no secret, and nothing at all if it is not to be
// asked.
func boundedError(t *testing.T, thief *hosts.Eavesdropper, asked bool) {
	t.Helper()
	all := thief.Requests()
	if !asked && len(all) > 0 {
		t.Errorf("another server was asked: %q", all)
	}
	for _, text := range all {
		for _, secret := range []string{"Authorization", "Cookie", "Referer", "s3cret", "t0ken", "YW5u"} {
			if strings.Contains(text, secret) {
				t.Errorf("another server was told %q", text)
			}
		}
	}
}

func TestWhereAChartRepositoryLeads(t *testing.T) {
	t.Parallel()
	s, files := site(t), t.TempDir()
	pack(t, s, "1.0.0", files)
	index(t, s, files)
	serve := http.FileServer(http.Dir(files))
	thief := &hosts.Eavesdropper{Answer: serve}
	elsewhere, stop := s.Handle(thief)
	defer stop()
	clear := httptest.NewServer(thief)
	defer clear.Close()
	for _, c := range []struct {
		name, file, to string
		login, asked   bool
		why            string
	}{
		{"an index, to another port", "/index.yaml", elsewhere, true, false, "/index.yaml redirects to " + elsewhere + "/index.yaml, which is another server"},
		{"an index, to http", "/index.yaml", clear.URL, true, false, "with http://"},
		{"an index, without a login", "/index.yaml", elsewhere, false, true, ""},
		{"an index, on the same server", "/index.yaml", "/moved", true, false, ""},
		{"an archive", "/web-1.0.0.tgz", elsewhere, true, true, ""},
		{"an archive, to http", "/web-1.0.0.tgz", clear.URL, true, false, "with http://"},
		{"an archive, on the same server", "/web-1.0.0.tgz", "/moved", true, false, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			at, stop := s.Handle(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				if _, _, known := req.BasicAuth(); known != c.login {
					w.WriteHeader(http.StatusUnauthorized)
				} else if req.URL.Path == c.file {
					http.Redirect(w, req, c.to+req.URL.Path, http.StatusTemporaryRedirect)
				} else {
					req.URL.Path = strings.TrimPrefix(req.URL.Path, "/moved")
					serve.ServeHTTP(w, req)
				}
			}))
			defer stop()
			var login fetch.Logins
			if c.login {
				login = ann(strings.TrimPrefix(at, "https://"))
			}
			_, _, err := fetcher(t, s, "", false).Get(t.Context(), reference(t, at+"/web", "1.0.0"), nil, login)
			if c.why == "" && err != nil || c.why != "" && (err == nil || !strings.Contains(err.Error(), c.why)) {
				t.Errorf("%v; want %q", err, c.why)
			}
			boundedError(t, thief, c.asked)
		})
	}
}

// trusting is a client that trusts a site's hosts.
func trusting(t *testing.T, s *hosts.Site) *http.Client {
	t.Helper()
	pem, err := os.ReadFile(s.Path("ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}}
}

// played is a registry that answers by a program of the test's.
func played(t *testing.T, s *hosts.Site, h http.HandlerFunc) (string, fetch.Reference) {
	t.Helper()
	at, stop := s.Handle(h)
	t.Cleanup(stop)
	host := strings.TrimPrefix(at, "https://")
	return host, reference(t, "oci://"+host+"/charts/web", "1.0.0")
}

func TestWhereARegistryLeads(t *testing.T) {
	t.Parallel()
	s := site(t)
	r, err := s.Registry()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Stop()
	if _, err := r.Push(pack(t, s, "1.0.0", t.TempDir())); err != nil {
		t.Fatal(err)
	}
	client := trusting(t, s)
	real := func(w http.ResponseWriter, req *http.Request) { // the registry itself, to whom its password is known
		out, err := http.NewRequestWithContext(req.Context(), req.Method, "https://"+r.Host+req.URL.RequestURI(), nil)
		if err != nil {
			t.Error(err)
			return
		}
		out.Header = req.Header.Clone()
		out.SetBasicAuth(hosts.User, hosts.Password)
		resp, err := client.Do(out)
		if err != nil {
			t.Error(err)
			return
		}
		defer resp.Body.Close()
		for name, values := range resp.Header {
			w.Header()[name] = values
		}
		w.WriteHeader(resp.StatusCode)
		_, _ = io.Copy(w, resp.Body) // who hung up is seen at the other end
	}
	thief := &hosts.Eavesdropper{Answer: http.HandlerFunc(real)}
	elsewhere, stop := s.Handle(thief)
	defer stop()
	for _, c := range []struct {
		name, at string
		asked    bool
		why      string
	}{
		{"a blob", "/blobs/", true, ""},
		{"a manifest by its tag", "/manifests/1.0.0", false, "redirects to " + elsewhere + "/v2/charts/web/manifests/1.0.0, which is another server"},
	} {
		t.Run(c.name, func(t *testing.T) {
			host, ref := played(t, s, func(w http.ResponseWriter, req *http.Request) {
				switch {
				case req.Header.Get("Authorization") == "":
					w.Header().Set("WWW-Authenticate", "Basic realm=test")
					w.WriteHeader(http.StatusUnauthorized)
				case strings.Contains(req.URL.Path, c.at):
					http.Redirect(w, req, elsewhere+req.URL.RequestURI(), http.StatusTemporaryRedirect)
				default:
					real(w, req)
				}
			})
			_, _, err := fetcher(t, s, "", false).Get(t.Context(), ref, nil, ann(host))
			if c.why == "" && err != nil || c.why != "" && (err == nil || !strings.Contains(err.Error(), c.why)) {
				t.Errorf("%v; want %q", err, c.why)
			}
			boundedError(t, thief, c.asked)
		})
	}
}

// Who asks for the login is not who gets it: it goes to the registry's own token
// service, and to no other that the registry names.
func TestWhereARegistryWantsItsLogin(t *testing.T) {
	t.Parallel()
	s := site(t)
	thief := &hosts.Eavesdropper{Answer: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"token": "t0ken"}`) })}
	elsewhere, stop := s.Handle(thief)
	defer stop()
	clear := httptest.NewServer(thief)
	defer clear.Close()
	for _, realm := range []string{elsewhere + "/token", strings.Replace(elsewhere, "127.0.0.1", "localhost", 1) + "/token", clear.URL + "/token", "https://169.254.169.254/token", "file:///etc/passwd"} {
		for _, challenge := range []string{`Bearer realm="%s",service="x"`, `bearer realm=%s`, `Bearer service="x", realm="%s"`} {
			host, ref := played(t, s, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("WWW-Authenticate", fmt.Sprintf(challenge, realm))
				w.WriteHeader(http.StatusUnauthorized)
			})
			_, _, err := fetcher(t, s, "", false).Get(t.Context(), ref, nil, ann(host))
			if err == nil || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("%s: %v", realm, err)
			}
			if realm == elsewhere+"/token" && challenge[0] == 'B' && !strings.Contains(err.Error(), host+" wants its login to be sent to "+realm+", which is not in its own domain") {
				t.Errorf("%s: %v", challenge, err)
			}
			boundedError(t, thief, false)
		}
	}
	// Its own gets it, and nobody whom that leads to.
	for _, status := range []int{http.StatusFound, http.StatusTemporaryRedirect} {
		own, asked := "", 0
		host, ref := played(t, s, func(w http.ResponseWriter, req *http.Request) {
			if req.URL.Path != "/token" {
				w.Header().Set("WWW-Authenticate", `Bearer realm="`+own+`/token"`)
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			if user, _, _ := req.BasicAuth(); user == "ann" {
				asked++
			}
			http.Redirect(w, req, elsewhere+"/token", status)
		})
		own = "https://" + host
		_, _, err := fetcher(t, s, "", false).Get(t.Context(), ref, nil, ann(host))
		if err == nil || asked != 1 || !strings.Contains(err.Error(), "redirects to "+elsewhere+"/token, which is another server") {
			t.Errorf("asked %d times: %v", asked, err)
		}
		boundedError(t, thief, false)
	}
}

func TestOwnTokenServices(t *testing.T) {
	for _, c := range []struct {
		registry, realm string
		own             bool
	}{
		{"docker.io", "https://auth.docker.io/token", true},
		{"registry.gitlab.com", "https://gitlab.com/jwt/auth", true},
		{"registry.example.co.uk", "https://login.example.co.uk/token", true},
		{"gitlab.example.com:5050", "https://gitlab.example.com/jwt/auth", true},
		{"gitlab.example.com:5050", "https://gitlab.example.com:5050/jwt/auth", true},
		{"registry.digitalocean.com", "https://api.digitalocean.com/v2/registry/auth", true},
		{"registry.example.com", "http://auth.example.com/token", false},
		{"registry.example.com", "https://auth.example.com:8443/token", false},
		{"registry.example.com", "https://registry.example.com.evil.example/token", false},
		{"registry.example.co.uk", "https://login.other.co.uk/token", false},
		{"ann.github.io", "https://bob.github.io/token", false},
		{"registry.shop.svc.cluster.local", "https://registry.other.svc.cluster.local/token", false},
		{"registry", "https://auth/token", false},
		{"10.0.0.1", "https://10.0.0.2/token", false},
		{"127.0.0.1:5000", "https://127.0.0.1:5001/token", false},
		{"com", "https://com/token", false},
	} {
		realm, err := url.Parse(c.realm)
		if err != nil {
			t.Fatal(err)
		}
		if own := fetch.OwnService(c.registry, realm); own != c.own {
			t.Errorf("%s of %s: %v", c.realm, c.registry, own)
		}
	}
}

func TestChartsLeadToNoLinkLocalAddress(t *testing.T) {
	t.Parallel()
	s := site(t)
	at, stop := s.Handle(http.RedirectHandler("https://169.254.169.254/latest/meta-data/web.tgz", http.StatusFound))
	defer stop()
	for _, chart := range []string{"https://169.254.169.254/web-1.0.0.tgz", at + "/web-1.0.0.tgz"} {
		_, _, err := fetcher(t, s, "", false).Get(t.Context(), reference(t, chart, ""), nil, nil)
		if err == nil || !strings.Contains(err.Error(), "169.254.169.254 is link-local: nothing is asked there") {
			t.Errorf("%s: %v", chart, err)
		}
	}
}
