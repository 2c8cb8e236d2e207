package git_test

import (
	"context"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	xssh "golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/xetys/tether/source"
	"github.com/xetys/tether/source/git"
	"github.com/xetys/tether/test/hosts"
)

// smartHTTP serves a bare repository to who gives the token.
func smartHTTP(t *testing.T, bare, token string) http.Handler {
	t.Helper()
	return gitHTTP(t, bare, func(_, password string) bool { return password == token })
}

func gitHTTP(t *testing.T, bare string, knows func(user, password string) bool) http.Handler {
	t.Helper()
	h, err := hosts.GitHTTP(bare, knows)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestFollowsOverHTTPSWithATokenAndACertificateOfItsOwn(t *testing.T) {
	r := newRemote(t)
	head := r.commit("a", "1", "one")
	server := httptest.NewTLSServer(smartHTTP(t, r.bare, "s3cret"))
	defer server.Close()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	good := git.Options{URL: server.URL + "/repo.git", Refs: main, Auth: given(git.Auth{CA: ca, Password: "s3cret"})}

	repo := with(t, good)
	fetch(t, repo, head)
	head = r.commit("a", "2", "two")
	fetch(t, repo, head)

	wrong := good
	wrong.Auth = given(git.Auth{CA: ca, Password: "hunter2"})
	refuses(t, wrong, "authentication required", "hunter2")
	stranger := good
	stranger.Auth = given(git.Auth{Password: "s3cret"})
	refuses(t, stranger, "certificate", "s3cret")
}

var main = []source.Ref{"main"}

// given are credentials that never change.
func given(a git.Auth) func() (git.Auth, error) {
	return func() (git.Auth, error) { return a, nil }
}

func with(t *testing.T, o git.Options) *git.Repository {
	t.Helper()
	o.Dir = filepath.Join(t.TempDir(), "clone")
	repo, err := git.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return repo
}

// refuses holds a fetch to fail for a reason, without telling a secret.
func refuses(t *testing.T, o git.Options, why, secret string) {
	t.Helper()
	_, err := with(t, o).Fetch(context.Background())
	if err == nil || !strings.Contains(err.Error(), why) {
		t.Errorf("%v; want %q", err, why)
	}
	if err != nil && secret != "" && strings.Contains(err.Error(), secret) {
		t.Errorf("the error tells the secret: %v", err)
	}
}

func TestWhatAServerAnswersIsToldOnOneLine(t *testing.T) {
	for _, c := range []struct {
		name, body, want string
		code             int
	}{
		{"a page instead of a reason", "<!DOCTYPE html>\n<html>Sign in</html>", "the server does not take the credentials, or wants some: authentication required", 401},
		{"a reason of two lines", "remote: Invalid username.\nremote: Use a token.\n", "or wants some: authentication required: remote: Invalid username. remote: Use a token.", 401},
		{"a token that may not", "", "the server does not take the credentials, or wants some: authorization failed", 403},
		{"no such repository", "Not Found", "repository not found: Not Found: check the URL, and that the credentials may read it", 404},
		{"a reason without an end", strings.Repeat("ä", 1000), strings.Repeat("ä", 88) + "…: check the URL", 404},
		{"a gateway that is down", "<html>", "the server answered 503 Service Unavailable", 503},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, c.body, c.code) }))
			defer server.Close()
			_, err := with(t, git.Options{URL: server.URL + "/repo.git", Refs: main}).Fetch(context.Background())
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.ContainsAny(err.Error(), "\n<") {
				t.Errorf("%v; want %q", err, c.want)
			}
		})
	}
}

func TestAServerThatHangsIsGivenUp(t *testing.T) {
	hang := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hang }))
	defer server.Close()
	defer close(hang)
	refuses(t, git.Options{URL: server.URL, Refs: main, Timeout: 300 * time.Millisecond}, "deadline exceeded", "")
}

func TestATokenIsNotSentInTheClear(t *testing.T) {
	_, err := git.New(git.Options{URL: "http://git.example.com/repo.git", Refs: main, Auth: given(git.Auth{Password: "s3cret"})})
	if err == nil || !strings.Contains(err.Error(), "use https") || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("%v", err)
	}
	_, err = git.New(git.Options{URL: "https://ann:s3cret@git.example.com/repo.git", Refs: main})
	if err == nil || !strings.Contains(err.Error(), "by file") || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("%v", err)
	}
}

// sshServer serves a bare repository to one key.
func sshServer(t *testing.T, bare string, host xssh.Signer, client xssh.PublicKey) string {
	t.Helper()
	l, err := hosts.GitSSH(bare, host, client)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

func newKey(t *testing.T) (xssh.Signer, []byte) {
	t.Helper()
	signer, private, err := hosts.SSHKey()
	if err != nil {
		t.Fatal(err)
	}
	return signer, private
}

func TestFollowsOverSSHWithAKeyAndKnownHosts(t *testing.T) {
	r := newRemote(t)
	head := r.commit("a", "1", "one")
	host, _ := newKey(t)
	client, private := newKey(t)
	address := sshServer(t, r.bare, host, client.PublicKey())
	line := func(key xssh.PublicKey) []byte {
		return []byte("other.example.com " + string(xssh.MarshalAuthorizedKey(client.PublicKey())) + knownhosts.Line([]string{address}, key) + "\n")
	}
	good := git.Options{URL: "ssh://git@" + address + "/repo.git", Refs: main,
		Auth: given(git.Auth{SSHKey: private, KnownHosts: line(host.PublicKey())})}
	repo := with(t, good)
	fetch(t, repo, head)
	fetch(t, repo, r.commit("a", "2", "two"))

	impostor := good
	impostor.Auth = given(git.Auth{SSHKey: private, KnownHosts: line(client.PublicKey())})
	refuses(t, impostor, "key mismatch", "")
	_, stranger := newKey(t)
	thief := good
	thief.Auth = given(git.Auth{SSHKey: stranger, KnownHosts: line(host.PublicKey())})
	refuses(t, thief, "unable to authenticate", "")

	unknown := good
	unknown.Auth = given(git.Auth{SSHKey: private, KnownHosts: []byte(knownhosts.Line([]string{"other.example.com"}, host.PublicKey()) + "\n")})
	if _, err := git.New(unknown); err == nil || !strings.Contains(err.Error(), "has no key of "+address) {
		t.Errorf("%v", err)
	}
	unknown.Auth = given(git.Auth{SSHKey: private})
	if _, err := git.New(unknown); err == nil || !strings.Contains(err.Error(), "known_hosts") {
		t.Errorf("%v", err)
	}
}

func TestTheLastHeadIsKnownWithoutTheRemote(t *testing.T) {
	r := newRemote(t)
	head := r.commit("a", "1", "one")
	dir := filepath.Join(t.TempDir(), "clone")
	if _, err := open(t, r, dir).Last("main"); err == nil {
		t.Error("a head is known before the first fetch")
	}
	fetch(t, open(t, r, dir), head)
	if last, err := open(t, r, dir).Last("main"); err != nil || last.SHA != head {
		t.Errorf("last is %v, %v", last, err)
	}
}
