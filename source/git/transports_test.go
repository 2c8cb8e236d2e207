package git_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/xetys/tether/source/git"
	"github.com/xetys/tether/test/hosts"
)

// transports returns how to reach a bare repository by file, https and ssh.
func transports(t *testing.T, bare string) map[string]git.Options {
	t.Helper()
	server := httptest.NewTLSServer(smartHTTP(t, bare, "s3cret"))
	t.Cleanup(server.Close)
	host, _ := newKey(t)
	client, private := newKey(t)
	address := sshServer(t, bare, host, client.PublicKey())
	return map[string]git.Options{
		"file":  {URL: bare, Refs: main},
		"https": {URL: server.URL + "/repo.git", Refs: main, Auth: given(git.Auth{CA: certificate(server), Password: "s3cret"})},
		"ssh": {URL: "ssh://git@" + address + "/repo.git", Refs: main,
			Auth: given(git.Auth{SSHKey: private, KnownHosts: []byte(knownhosts.Line([]string{address}, host.PublicKey()) + "\n")})},
	}
}

func certificate(server *httptest.Server) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
}

func TestCredentialsMayChange(t *testing.T) {
	r := newRemote(t)
	head := r.commit("a", "1", "one")
	var token atomic.Value
	token.Store("old")
	server := httptest.NewTLSServer(gitHTTP(t, r.bare, func(_, password string) bool { return password == token.Load() }))
	defer server.Close()
	now, broken := git.Auth{CA: certificate(server), Password: "old"}, error(nil)
	repo := with(t, git.Options{URL: server.URL + "/repo.git", Refs: main, Auth: func() (git.Auth, error) { return now, broken }})
	fetch(t, repo, head)
	token.Store("new")
	if _, err := repo.Fetch(context.Background()); err == nil {
		t.Error("the old token is still taken")
	}
	now.Password = "new"
	fetch(t, repo, r.commit("a", "2", "two"))
	broken = errors.New("the Secret is away")
	if _, err := repo.Fetch(context.Background()); err == nil || !strings.Contains(err.Error(), "the Secret is away") {
		t.Errorf("without credentials: %v", err)
	}
	broken = nil
	fetch(t, repo, r.commit("a", "3", "three"))
}

func TestAGitHubAppFetchesWithTokensThatItRenews(t *testing.T) {
	r := newRemote(t)
	head := r.commit("a", "1", "one")
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	hub := &hosts.GitHub{ID: "4711", Installation: "42", Key: &key.PublicKey, Lasts: time.Hour}
	mux := http.NewServeMux()
	mux.Handle(hub.Path(), hub)
	mux.Handle(hosts.GitPath+"/", gitHTTP(t, r.bare, hub.Knows))
	server := httptest.NewTLSServer(mux)
	defer server.Close()
	private := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	app := git.App{ID: "4711", Installation: "42", Key: private, API: server.URL}
	options := func(app git.App) git.Options {
		return git.Options{URL: server.URL + "/repo.git", Refs: main, Auth: given(git.Auth{CA: certificate(server), App: app})}
	}
	repo := with(t, options(app))
	fetch(t, repo, head)
	fetch(t, repo, r.commit("a", "2", "two"))
	if n := hub.Tokens.Load(); n != 1 {
		t.Errorf("%d tokens for two fetches", n)
	}
	hub.Tokens.Add(1) // the token that the agent has is revoked
	if _, err := repo.Fetch(context.Background()); err == nil || !strings.Contains(err.Error(), "does not take the credentials") {
		t.Errorf("with a revoked token: %v", err)
	}
	hub.Lasts = time.Minute
	fetch(t, repo, r.commit("a", "3", "three"))
	n := hub.Tokens.Load()
	fetch(t, repo, r.commit("a", "4", "four"))
	if hub.Tokens.Load() != n+1 {
		t.Error("a token that is about to run out is used again")
	}
	stranger := app
	stranger.ID = "4712"
	refuses(t, options(stranger), "check the IDs, the key", "PRIVATE")
	for why, bad := range map[string]git.App{
		"needs an ID":        {ID: "1", Key: private},
		"RSA private key":    {ID: "1", Installation: "2", Key: []byte("nonsense")},
		"has to be https://": {ID: "1", Installation: "2", Key: private, API: "http://api.example.com"},
	} {
		if _, err := git.New(options(bad)); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%v; want %q", err, why)
		}
	}
}

func TestFollowsThroughAProxy(t *testing.T) {
	r := newRemote(t)
	head := r.commit("a", "1", "one")
	server := httptest.NewTLSServer(smartHTTP(t, r.bare, "s3cret"))
	defer server.Close()
	proxy := hosts.HTTPProxy(server.Listener.Addr().String())
	defer proxy.Close()
	// Nothing but the proxy knows where example.com is.
	o := git.Options{URL: "https://example.com/repo.git", Refs: main, Proxy: proxy.URL,
		Auth: given(git.Auth{CA: certificate(server), Password: "s3cret"})}
	repo := with(t, o)
	fetch(t, repo, head)
	fetch(t, repo, r.commit("a", "2", "two"))
	if proxy.Connections.Load() != 1 {
		t.Errorf("%d connections for two fetches", proxy.Connections.Load())
	}
	o.Proxy = ""
	t.Setenv("HTTPS_PROXY", proxy.URL)
	t.Setenv("NO_PROXY", "other.example.com")
	fetch(t, with(t, o), r.commit("a", "3", "three"))
	if proxy.Connections.Load() != 2 {
		t.Errorf("%d connections, one of them by the environment's proxy", proxy.Connections.Load())
	}
	o.Proxy = "ftp://127.0.0.1"
	if _, err := git.New(o); err == nil || !strings.Contains(err.Error(), "proxy's URL") {
		t.Errorf("%v", err)
	}
}

func TestFollowsOverSSHThroughSOCKSOnly(t *testing.T) {
	r := newRemote(t)
	head := r.commit("a", "1", "one")
	host, _ := newKey(t)
	client, private := newKey(t)
	proxy, err := hosts.SOCKSProxy(sshServer(t, r.bare, host, client.PublicKey()))
	if err != nil {
		t.Fatal(err)
	}
	defer proxy.Close()
	o := git.Options{URL: "git@git.example.com:repo.git", Refs: main, Proxy: proxy.URL, Auth: given(git.Auth{SSHKey: private,
		KnownHosts: []byte(knownhosts.Line([]string{"git.example.com"}, host.PublicKey()) + "\n" + knownhosts.Line([]string{"127.0.0.1"}, host.PublicKey()) + "\n")})}
	fetch(t, with(t, o), head)
	if proxy.Connections.Load() != 1 {
		t.Errorf("%d connections through the proxy", proxy.Connections.Load())
	}
	o.Proxy = "http://127.0.0.1:3128"
	if _, err := git.New(o); err == nil || !strings.Contains(err.Error(), "through a socks5://… proxy only") {
		t.Errorf("%v", err)
	}
}
