package source_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/xetys/tether/source"
)

// transports returns how to reach a bare repository by file, https and ssh.
func transports(t *testing.T, bare string) map[string]source.Options {
	t.Helper()
	server := httptest.NewTLSServer(smartHTTP(bare, "s3cret"))
	t.Cleanup(server.Close)
	host, _ := newKey(t)
	client, private := newKey(t)
	address := sshServer(t, bare, host, client.PublicKey())
	return map[string]source.Options{
		"file":  {URL: bare, Refs: main},
		"https": {URL: server.URL + "/repo.git", Refs: main, Auth: given(source.Auth{CA: certificate(server), Password: "s3cret"})},
		"ssh": {URL: "ssh://git@" + address + "/repo.git", Refs: main,
			Auth: given(source.Auth{SSHKey: private, KnownHosts: []byte(knownhosts.Line([]string{address}, host.PublicKey()) + "\n")})},
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
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		smartHTTP(r.bare, token.Load().(string)).ServeHTTP(w, req)
	}))
	defer server.Close()
	now, broken := source.Auth{CA: certificate(server), Password: "old"}, error(nil)
	repo := with(t, source.Options{URL: server.URL + "/repo.git", Refs: main, Auth: func() (source.Auth, error) { return now, broken }})
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

// github serves the API of GitHub that gives out tokens, and a repository to who
// has one.
type github struct {
	t       *testing.T
	key     *rsa.PublicKey
	expires time.Duration

	mu     sync.Mutex
	tokens int
}

func (g *github) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	claims := jwt.RegisteredClaims{}
	_, err := jwt.ParseWithClaims(strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer "), &claims,
		func(*jwt.Token) (any, error) { return g.key, nil }, jwt.WithValidMethods([]string{"RS256"}), jwt.WithIssuedAt(), jwt.WithExpirationRequired())
	if err != nil || claims.Issuer != "4711" || claims.ExpiresAt.Sub(claims.IssuedAt.Time) > 10*time.Minute {
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"message": "A JSON web token could not be decoded"}`)
		return
	}
	var asked struct{ Permissions map[string]string }
	if err := json.NewDecoder(req.Body).Decode(&asked); err != nil || len(asked.Permissions) != 1 || asked.Permissions["contents"] != "read" {
		g.t.Errorf("the token is to be for more than reading: %v, %v", asked.Permissions, err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.tokens++
	w.WriteHeader(http.StatusCreated)
	fmt.Fprintf(w, `{"token": "ghs_%d", "expires_at": %q}`, g.tokens, time.Now().Add(g.expires).UTC().Format(time.RFC3339))
}

func (g *github) given() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.tokens
}

func TestAGitHubAppFetchesWithTokensThatItRenews(t *testing.T) {
	r := newRemote(t)
	head := r.commit("a", "1", "one")
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	hub := &github{t: t, key: &key.PublicKey, expires: time.Hour}
	mux := http.NewServeMux()
	mux.Handle("POST /app/installations/42/access_tokens", hub)
	mux.HandleFunc("/repo.git/", func(w http.ResponseWriter, req *http.Request) {
		smartHTTP(r.bare, fmt.Sprintf("ghs_%d", hub.given())).ServeHTTP(w, req)
	})
	server := httptest.NewTLSServer(mux)
	defer server.Close()
	private := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	app := source.App{ID: "4711", Installation: "42", Key: private, API: server.URL}
	options := func(app source.App) source.Options {
		return source.Options{URL: server.URL + "/repo.git", Refs: main, Auth: given(source.Auth{CA: certificate(server), App: app})}
	}
	repo := with(t, options(app))
	fetch(t, repo, head)
	fetch(t, repo, r.commit("a", "2", "two"))
	if n := hub.given(); n != 1 {
		t.Errorf("%d tokens for two fetches", n)
	}
	hub.tokens++ // the token that the agent has is revoked
	if _, err := repo.Fetch(context.Background()); err == nil || !strings.Contains(err.Error(), "does not take the credentials") {
		t.Errorf("with a revoked token: %v", err)
	}
	hub.expires = time.Minute
	fetch(t, repo, r.commit("a", "3", "three"))
	n := hub.given()
	fetch(t, repo, r.commit("a", "4", "four"))
	if hub.given() != n+1 {
		t.Error("a token that is about to run out is used again")
	}
	stranger := app
	stranger.ID = "4712"
	refuses(t, options(stranger), "check the IDs, the key", "PRIVATE")
	for why, bad := range map[string]source.App{
		"needs an ID":        {ID: "1", Key: private},
		"RSA private key":    {ID: "1", Installation: "2", Key: []byte("nonsense")},
		"has to be https://": {ID: "1", Installation: "2", Key: private, API: "http://api.example.com"},
	} {
		if _, err := source.New(options(bad)); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%v; want %q", err, why)
		}
	}
}

// connectProxy passes every connection on to one address, and counts them.
func connectProxy(t *testing.T, to string) (string, *atomic.Int32) {
	t.Helper()
	count := new(atomic.Int32)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Method != http.MethodConnect {
			http.Error(w, "CONNECT only", http.StatusMethodNotAllowed)
			return
		}
		count.Add(1)
		out, err := net.Dial("tcp", to)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			out.Close()
			return
		}
		fmt.Fprint(conn, "HTTP/1.1 200 Connection established\r\n\r\n")
		relay(conn, out)
	}))
	t.Cleanup(proxy.Close)
	return proxy.URL, count
}

// relay copies both ways until one side ends.
func relay(a, b net.Conn) {
	var once sync.Once
	end := func() { once.Do(func() { a.Close(); b.Close() }) }
	go func() { defer end(); _, _ = io.Copy(a, b) }()
	go func() { defer end(); _, _ = io.Copy(b, a) }()
}

func TestFollowsThroughAProxy(t *testing.T) {
	r := newRemote(t)
	head := r.commit("a", "1", "one")
	server := httptest.NewTLSServer(smartHTTP(r.bare, "s3cret"))
	defer server.Close()
	proxy, count := connectProxy(t, server.Listener.Addr().String())
	// Nothing but the proxy knows where example.com is.
	o := source.Options{URL: "https://example.com/repo.git", Refs: main, Proxy: proxy,
		Auth: given(source.Auth{CA: certificate(server), Password: "s3cret"})}
	repo := with(t, o)
	fetch(t, repo, head)
	fetch(t, repo, r.commit("a", "2", "two"))
	if count.Load() != 1 {
		t.Errorf("%d connections for two fetches", count.Load())
	}
	o.Proxy = ""
	t.Setenv("HTTPS_PROXY", proxy)
	t.Setenv("NO_PROXY", "other.example.com")
	fetch(t, with(t, o), r.commit("a", "3", "three"))
	if count.Load() != 2 {
		t.Errorf("%d connections, one of them by the environment's proxy", count.Load())
	}
	o.Proxy = "ftp://127.0.0.1"
	if _, err := source.New(o); err == nil || !strings.Contains(err.Error(), "proxy's URL") {
		t.Errorf("%v", err)
	}
}

// socksProxy passes every connection on to one address: SOCKS 5 without
// authentication.
func socksProxy(t *testing.T, to string) (string, *atomic.Int32) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	count := new(atomic.Int32)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			count.Add(1)
			go socks(conn, to)
		}
	}()
	return "socks5://" + l.Addr().String(), count
}

func socks(conn net.Conn, to string) {
	hello := make([]byte, 2)
	if _, err := io.ReadFull(conn, hello); err != nil {
		return
	}
	if _, err := io.CopyN(io.Discard, conn, int64(hello[1])); err != nil {
		return
	}
	_, _ = conn.Write([]byte{5, 0})
	request := make([]byte, 5) // version, command, reserved, kind of address, length of the name or its first byte
	if _, err := io.ReadFull(conn, request); err != nil {
		return
	}
	left := int64(request[4]) + 2
	if request[3] == 1 {
		left = 3 + 2
	}
	if _, err := io.CopyN(io.Discard, conn, left); err != nil {
		return
	}
	out, err := net.Dial("tcp", to)
	if err != nil {
		conn.Close()
		return
	}
	_, _ = conn.Write(binary.BigEndian.AppendUint16([]byte{5, 0, 0, 1, 127, 0, 0, 1}, 1))
	relay(conn, out)
}

func TestFollowsOverSSHThroughSOCKSOnly(t *testing.T) {
	r := newRemote(t)
	head := r.commit("a", "1", "one")
	host, _ := newKey(t)
	client, private := newKey(t)
	proxy, count := socksProxy(t, sshServer(t, r.bare, host, client.PublicKey()))
	o := source.Options{URL: "git@git.example.com:repo.git", Refs: main, Proxy: proxy, Auth: given(source.Auth{SSHKey: private,
		KnownHosts: []byte(knownhosts.Line([]string{"git.example.com"}, host.PublicKey()) + "\n" + knownhosts.Line([]string{"127.0.0.1"}, host.PublicKey()) + "\n")})}
	fetch(t, with(t, o), head)
	if count.Load() != 1 {
		t.Errorf("%d connections through the proxy", count.Load())
	}
	o.Proxy = "http://127.0.0.1:3128"
	if _, err := source.New(o); err == nil || !strings.Contains(err.Error(), "through a socks5://… proxy only") {
		t.Errorf("%v", err)
	}
}
