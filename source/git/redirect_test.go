package git_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/xetys/tether/source/git"
	"github.com/xetys/tether/test/hosts"
)

// leading is a git server that leads elsewhere when it is told to.
type leading struct {
	git http.Handler
	to  atomic.Value // a func(*http.Request) string; its answer is where, or ""
}

func (l *leading) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if to := l.to.Load().(func(*http.Request) string)(req); to != "" {
		http.Redirect(w, req, to, http.StatusTemporaryRedirect)
		return
	}
	l.git.ServeHTTP(w, req)
}

// The credentials, and the questions, go to the address that is configured, and nowhere
// else, at the first poll and at every other.
func TestARedirectToAnotherServerIsRefused(t *testing.T) {
	r := newRemote(t)
	r.commit("a", "1", "one")
	backend := smartHTTP(t, r.bare, "s3cret")
	l := &leading{git: backend}
	l.to.Store(func(*http.Request) string { return "" })
	server := httptest.NewTLSServer(l)
	defer server.Close()
	thief := &hosts.Eavesdropper{Answer: gitHTTP(t, r.bare, func(string, string) bool { return true })}
	other := httptest.NewUnstartedServer(thief)
	other.TLS = server.TLS.Clone() // it has a certificate that is trusted
	other.StartTLS()
	defer other.Close()
	clear := httptest.NewServer(thief)
	defer clear.Close()
	named := strings.Replace(other.URL, "127.0.0.1", "localhost", 1)
	repo := with(t, git.Options{URL: server.URL + "/repo.git", Refs: main, Auth: given(git.Auth{CA: certificate(server), Password: "s3cret"})})
	for _, c := range []struct{ name, to string }{
		{"another port", other.URL}, {"another name", named}, {"http", clear.URL}, {"with credentials", "https://ann:s3cret2@" + strings.TrimPrefix(other.URL, "https://")},
		{"a scheme of its own", "git://127.0.0.1"}, {"a file", "file:///etc"},
	} {
		for _, only := range []string{"/info/refs", "/git-upload-pack"} {
			l.to.Store(func(req *http.Request) string {
				if !strings.HasSuffix(req.URL.Path, only) {
					return ""
				}
				return c.to + req.URL.RequestURI()
			})
			head := r.commit("a", c.name+only, "more")
			for poll := range 2 {
				_, err := repo.Fetch(context.Background())
				to, _, _ := strings.Cut(strings.TrimPrefix(c.to, "https://ann:s3cret2@"), "://")
				if err == nil || !strings.Contains(err.Error(), server.URL+"/repo.git redirects to ") || !strings.Contains(err.Error(), to) ||
					!strings.Contains(err.Error(), "/repo.git in place of the old address") || strings.Contains(err.Error(), "s3cret") {
					t.Errorf("%s, %s, poll %d: %v", c.name, only, poll+1, err)
				}
				if told := thief.Requests(); len(told) > 0 {
					t.Errorf("%s, %s, poll %d: the other server was told %q", c.name, only, poll+1, told)
				}
			}
			l.to.Store(func(*http.Request) string { return "" })
			fetch(t, repo, head)
		}
	}
}

// A push goes to no other server either, whichever of its requests leads there.
func TestAPushIsNotLedElsewhere(t *testing.T) {
	r, head := newPushable(t)
	l := &leading{git: smartHTTP(t, r.bare, "s3cret")}
	l.to.Store(func(*http.Request) string { return "" })
	server := httptest.NewTLSServer(l)
	defer server.Close()
	thief := &hosts.Eavesdropper{}
	other := httptest.NewUnstartedServer(thief)
	other.TLS = server.TLS.Clone()
	other.StartTLS()
	defer other.Close()
	repo := with(t, git.Options{URL: server.URL + "/repo.git", Refs: main, Committer: bot, Auth: given(git.Auth{CA: certificate(server), Password: "s3cret"})})
	fetch(t, repo, head)
	for _, only := range []string{"/info/refs", "/git-receive-pack"} {
		l.to.Store(func(req *http.Request) string {
			if !strings.HasSuffix(req.URL.Path, only) {
				return ""
			}
			return other.URL + req.URL.RequestURI()
		})
		_, err := repo.Push(context.Background(), proposal(head, ""))
		if err == nil || !strings.Contains(err.Error(), server.URL+"/repo.git redirects to "+other.URL+"/repo.git, which is another server") {
			t.Errorf("%s: %v", only, err)
		}
		if told := thief.Requests(); len(told) > 0 {
			t.Errorf("%s: the other server was told %q", only, told)
		}
	}
	if got := r.git(r.bare, "rev-parse", "main"); got != head {
		t.Errorf("main is at %s", got)
	}
}

// A repository that moved within its server is found there, and asked for under its old
// name again.
func TestARedirectOnTheSameServerIsFollowedAndNotRemembered(t *testing.T) {
	r := newRemote(t)
	head := r.commit("a", "1", "one")
	backend := smartHTTP(t, r.bare, "s3cret")
	asked := &hosts.Eavesdropper{}
	server := httptest.NewTLSServer(asked)
	defer server.Close()
	moved := true
	asked.Answer = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if moved && strings.HasPrefix(req.URL.Path, "/old.git") {
			http.Redirect(w, req, server.URL+"/repo.git"+strings.TrimPrefix(req.URL.RequestURI(), "/old.git"), http.StatusMovedPermanently)
			return
		}
		req.URL.Path = strings.Replace(req.URL.Path, "/old.git", "/repo.git", 1)
		backend.ServeHTTP(w, req)
	})
	repo := with(t, git.Options{URL: server.URL + "/old.git", Refs: main, Auth: given(git.Auth{CA: certificate(server), Password: "s3cret"})})
	for n := range 3 {
		fetch(t, repo, head)
		told := asked.Requests()
		if len(told) < 2 || !strings.Contains(told[0], "/old.git/info/refs") || !strings.Contains(told[1], "/repo.git/info/refs") {
			t.Errorf("poll %d asked %q", n+1, told)
		}
		head = r.commit("a", fmt.Sprint(n), "more")
	}
	moved = false
	fetch(t, repo, head)
	for _, text := range asked.Requests() {
		if strings.Contains(text, "/repo.git") {
			t.Errorf("where it was is remembered: %q", text)
		}
	}
}

func TestGitHubsAPIIsNotFollowedElsewhere(t *testing.T) {
	thief := &hosts.Eavesdropper{}
	other := httptest.NewTLSServer(thief)
	defer other.Close()
	server := httptest.NewTLSServer(http.RedirectHandler(other.URL+"/tokens", http.StatusTemporaryRedirect))
	defer server.Close()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	private := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	refuses(t, git.Options{URL: server.URL + "/repo.git", Refs: main, Auth: given(git.Auth{CA: append(certificate(server), certificate(other)...),
		App: git.App{ID: "1", Installation: "2", Key: private, API: server.URL}})}, "redirects to "+other.URL+"/tokens, which is another server", "")
	if told := thief.Requests(); len(told) > 0 {
		t.Errorf("the other server was told %q", told)
	}
}

// A proxy is told its own credentials, the server its own, and neither the other's.
func TestAProxysCredentialsAreItsOwn(t *testing.T) {
	r := newRemote(t)
	head := r.commit("a", "1", "one")
	asked := &hosts.Eavesdropper{Answer: smartHTTP(t, r.bare, "s3cret")}
	server := httptest.NewTLSServer(asked)
	defer server.Close()
	through := hosts.HTTPProxy(server.Listener.Addr().String())
	defer through.Close()
	proxy := &hosts.Eavesdropper{Answer: through}
	front := httptest.NewServer(proxy)
	defer front.Close()
	url := strings.Replace(front.URL, "http://", "http://ann:pr0xy@", 1)
	o := git.Options{URL: "https://example.com/repo.git", Refs: main, Proxy: url, Auth: given(git.Auth{CA: certificate(server), Password: "s3cret"})}
	fetch(t, with(t, o), head)
	for _, text := range proxy.Requests() {
		if strings.Contains(text, "\nAuthorization:") || !strings.Contains(text, "Proxy-Authorization: Basic YW5uOnByMHh5") {
			t.Errorf("the proxy was told %q", text)
		}
	}
	for _, text := range asked.Requests() {
		if strings.Contains(text, "Proxy-Authorization") {
			t.Errorf("the server was told %q", text)
		}
	}
	o.URL = "http://127.0.0.1:1/repo.git"
	if _, err := git.New(o); err == nil || !strings.Contains(err.Error(), "in the clear") {
		t.Errorf("a token over http through a proxy: %v", err)
	}
}

func TestAnAnswerThatIsNoGitIsNamed(t *testing.T) {
	page := "<!DOCTYPE html>\n<html>Sign in</html>"
	for _, c := range []struct {
		name, kind, body, want string
		code                   int
	}{
		{"a login page", "text/html; charset=utf-8", page, "answered with 200 OK and a page (text/html), and not as a git server does", 200},
		{"an empty body", "", "", "answered with 200 OK and an empty body (no content type)", 200},
		{"an empty body that says it is git", "application/x-git-upload-pack-advertisement", "", "200 OK and an empty body (application/x-git-upload-pack-advertisement)", 200},
		{"JSON", "application/json", `{"error": "no"}`, "200 OK and what is not git's protocol (application/json)", 200},
		{"a page that is not there", "text/html", page, "answered with 404 Not Found and a page (text/html)", 404},
		{"a page that says it is git", "application/x-git-upload-pack-advertisement", page, "200 OK and what is not git's protocol (application/x-git-upload-pack-advertisement)", 200},
		{"what goes on unlike git", "application/x-git-upload-pack-advertisement", "001e# service=git-upload-pack\n0000" + page, "answered with what is not git's protocol", 200},
		{"a portal that wants to be paid", "text/html", page, "the server answered 511 Network Authentication Required", 511},
		{"an odd content type", "text/\"\"" + strings.Repeat("x", 1000), page, "(no content type)", 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header()["Content-Type"] = []string{c.kind}
				if c.kind == "" {
					w.Header()["Content-Type"] = nil
				}
				w.WriteHeader(c.code)
				fmt.Fprint(w, c.body)
			}))
			defer server.Close()
			o := git.Options{URL: server.URL + "/repo.git", Refs: main}
			refuses(t, o, c.want, "\x1b")
			if c.code != 511 {
				refuses(t, o, ": "+server.Listener.Addr().String()+" answered", "pkt")
			}
		})
	}
	t.Run("a redirect to a login page", func(t *testing.T) {
		server := httptest.NewServer(http.RedirectHandler("/users/sign_in?token=s3cret", http.StatusFound))
		defer server.Close()
		refuses(t, git.Options{URL: server.URL + "/repo.git", Refs: main}, "answered with a redirect to "+server.URL+"/users/sign_in, and not as a git server", "s3cret")
	})
	t.Run("an empty repository is one", func(t *testing.T) {
		server := httptest.NewServer(smartHTTP(t, newRemote(t).bare, ""))
		defer server.Close()
		refuses(t, git.Options{URL: server.URL + "/repo.git", Refs: main}, "the repository is empty: push a commit first", "")
	})
}
