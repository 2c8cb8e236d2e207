package e2e_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/xetys/tether/test/hosts"
)

// newSite makes the script's site, in $SITE.
func newSite(ts *testscript.TestScript) *hosts.Site {
	dir := ts.MkAbs("site")
	ts.Check(os.Mkdir(dir, 0o700))
	site, err := hosts.New(dir)
	ts.Check(err)
	ts.Setenv("SITE", dir)
	return site
}

// githost serves $REPO, until the script ends, as $HTTPS, with a certificate of
// $SITE/ca.pem, to ann with the password, and to anybody with the token, that the
// files $SITE/password and $SITE/token now hold, and to the GitHub App 4711 of
// installation 42 at $API, whose key is $SITE/app.pem; and as $SSH to who has
// $SITE/id. While $SITE/moved holds an address, https leads there; while $SITE/silent is
// there, it sends half of each pack, and then nothing. $ELSEWHERE is another
// server with the same repository, which writes what it is told to $SITE/told.
// $HTTP_PROXY_URL and $SOCKS_PROXY_URL lead to the one and the other,
// whatever host they are asked for.
func githost(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: githost")
	}
	site := newSite(ts)
	write := func(name string, raw []byte) { ts.Check(os.WriteFile(site.Path(name), raw, 0o600)) }
	write("token", []byte("token-1\n"))
	write("password", []byte("password-1\n"))
	ts.Setenv("API", overHTTPS(ts, site))

	host, _, err := hosts.SSHKey()
	ts.Check(err)
	client, id, err := hosts.SSHKey()
	ts.Check(err)
	l, err := hosts.GitSSH(ts.Getenv("REPO"), host, client.PublicKey())
	ts.Check(err)
	ts.Defer(func() { l.Close() })
	address := l.Addr().String()
	write("id", id)
	write("known_hosts", []byte(knownhosts.Line([]string{address, "git.example.com", "127.0.0.1"}, host.PublicKey())+"\n"))
	write("impostors", []byte(knownhosts.Line([]string{address}, client.PublicKey())+"\n"))
	_, stranger, err := hosts.SSHKey()
	ts.Check(err)
	write("stranger", stranger)
	ts.Setenv("SSH", "ssh://git@"+address+"/repo.git")
	socks, err := hosts.SOCKSProxy(address)
	ts.Check(err)
	ts.Defer(socks.Close)
	ts.Setenv("SOCKS_PROXY_URL", socks.URL)
}

// overHTTPS serves $REPO as $HTTPS, and returns the URL of GitHub's API.
func overHTTPS(ts *testscript.TestScript, site *hosts.Site) string {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	ts.Check(err)
	private := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	ts.Check(os.WriteFile(site.Path("app.pem"), private, 0o600))
	hub := &hosts.GitHub{ID: "4711", Installation: "42", Key: &key.PublicKey, Lasts: time.Hour}
	git, err := hosts.GitHTTP(ts.Getenv("REPO"), func(user, password string) bool {
		token, password1 := secretIn(site, "token"), secretIn(site, "password")
		return user == "x-access-token" && password == token || user == "ann" && password == password1 || hub.Knows(user, password)
	})
	ts.Check(err)
	mux := http.NewServeMux()
	mux.Handle(hub.Path(), hub)
	mux.Handle(hosts.GitPath+"/", http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if to, err := os.ReadFile(site.Path("moved")); err == nil {
			http.Redirect(w, req, string(bytes.TrimSpace(to))+req.URL.RequestURI(), http.StatusFound)
			return
		}
		if _, err := os.Stat(site.Path("silent")); err == nil && req.Method == http.MethodPost {
			fallSilent(git, w, req)
			return
		}
		git.ServeHTTP(w, req)
	}))
	elsewhere, stopped := site.Handle(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		var told bytes.Buffer
		_ = req.Header.Write(&told) // to memory
		_ = os.WriteFile(site.Path("told"), told.Bytes(), 0o600)
		git.ServeHTTP(w, req)
	}))
	ts.Defer(stopped)
	ts.Setenv("ELSEWHERE", elsewhere)
	url, stop := site.Handle(mux)
	ts.Defer(stop)
	ts.Setenv("HTTPS", url+hosts.GitPath)
	proxy := hosts.HTTPProxy(strings.TrimPrefix(url, "https://"))
	ts.Defer(proxy.Close)
	ts.Setenv("HTTP_PROXY_URL", proxy.URL)
	return url
}

// secretIn returns what a file of the site holds now; a script may change it.
func secretIn(site *hosts.Site, name string) string {
	raw, err := os.ReadFile(site.Path(name))
	if err != nil {
		return "\x00" // nobody's
	}
	return string(bytes.TrimSpace(raw))
}

// fallSilent sends half of what a handler answers, and waits until who asked hangs up.
func fallSilent(h http.Handler, w http.ResponseWriter, req *http.Request) {
	answer := httptest.NewRecorder()
	h.ServeHTTP(answer, req)
	maps.Copy(w.Header(), answer.Header())
	w.Header().Del("Content-Length")
	w.WriteHeader(answer.Code)
	half := answer.Body.Bytes()
	_, _ = w.Write(half[:len(half)/2]) // who hung up is seen at the other end
	w.(http.Flusher).Flush()
	<-req.Context().Done()
}
