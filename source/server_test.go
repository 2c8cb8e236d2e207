package source_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	xssh "golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/xetys/tether/source"
)

// smartHTTP serves a bare repository by git's own upload-pack, to who gives the
// token.
func smartHTTP(bare, token string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if _, password, _ := req.BasicAuth(); password != token {
			w.Header().Set("WWW-Authenticate", "Basic")
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		args := []string{"upload-pack", "--stateless-rpc"}
		var head string
		switch {
		case strings.HasSuffix(req.URL.Path, "/info/refs"):
			w.Header().Set("Content-Type", "application/x-git-upload-pack-advertisement")
			args, head = append(args, "--advertise-refs"), "001e# service=git-upload-pack\n0000"
		case strings.HasSuffix(req.URL.Path, "/git-upload-pack"):
			w.Header().Set("Content-Type", "application/x-git-upload-pack-result")
		default:
			http.NotFound(w, req)
			return
		}
		cmd := exec.Command("git", append(args, bare)...)
		cmd.Stdin = req.Body
		out, err := cmd.Output()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		fmt.Fprint(w, head, string(out))
	})
}

func TestFollowsOverHTTPSWithATokenAndACertificateOfItsOwn(t *testing.T) {
	r := newRemote(t)
	head := r.commit("a", "1", "one")
	server := httptest.NewTLSServer(smartHTTP(r.bare, "s3cret"))
	defer server.Close()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	good := source.Options{URL: server.URL + "/repo.git", Refs: main, Auth: given(source.Auth{CA: ca, Password: "s3cret"})}

	repo := with(t, good)
	fetch(t, repo, head)
	head = r.commit("a", "2", "two")
	fetch(t, repo, head)

	wrong := good
	wrong.Auth = given(source.Auth{CA: ca, Password: "hunter2"})
	refuses(t, wrong, "authentication required", "hunter2")
	stranger := good
	stranger.Auth = given(source.Auth{Password: "s3cret"})
	refuses(t, stranger, "certificate", "s3cret")
}

var main = []source.Ref{"main"}

// given are credentials that never change.
func given(a source.Auth) func() (source.Auth, error) {
	return func() (source.Auth, error) { return a, nil }
}

func with(t *testing.T, o source.Options) *source.Repository {
	t.Helper()
	o.Dir = filepath.Join(t.TempDir(), "clone")
	repo, err := source.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return repo
}

// refuses holds a fetch to fail for a reason, without telling a secret.
func refuses(t *testing.T, o source.Options, why, secret string) {
	t.Helper()
	_, err := with(t, o).Fetch(context.Background())
	if err == nil || !strings.Contains(err.Error(), why) {
		t.Errorf("%v; want %q", err, why)
	}
	if err != nil && secret != "" && strings.Contains(err.Error(), secret) {
		t.Errorf("the error tells the secret: %v", err)
	}
}

func TestAServerThatHangsIsGivenUp(t *testing.T) {
	hang := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hang }))
	defer server.Close()
	defer close(hang)
	refuses(t, source.Options{URL: server.URL, Refs: main, Timeout: 300 * time.Millisecond}, "deadline exceeded", "")
}

func TestATokenIsNotSentInTheClear(t *testing.T) {
	_, err := source.New(source.Options{URL: "http://git.example.com/repo.git", Refs: main, Auth: given(source.Auth{Password: "s3cret"})})
	if err == nil || !strings.Contains(err.Error(), "use https") || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("%v", err)
	}
	_, err = source.New(source.Options{URL: "https://ann:s3cret@git.example.com/repo.git", Refs: main})
	if err == nil || !strings.Contains(err.Error(), "by file") || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("%v", err)
	}
}

// sshServer serves a bare repository by git's own upload-pack, to one key.
func sshServer(t *testing.T, bare string, host xssh.Signer, client xssh.PublicKey) string {
	t.Helper()
	config := &xssh.ServerConfig{PublicKeyCallback: func(_ xssh.ConnMetadata, key xssh.PublicKey) (*xssh.Permissions, error) {
		if bytes.Equal(key.Marshal(), client.Marshal()) {
			return nil, nil
		}
		return nil, errors.New("unknown key")
	}}
	config.AddHostKey(host)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go serveSSH(conn, config, bare)
		}
	}()
	return l.Addr().String()
}

func serveSSH(conn net.Conn, config *xssh.ServerConfig, bare string) {
	defer conn.Close()
	_, channels, requests, err := xssh.NewServerConn(conn, config)
	if err != nil {
		return
	}
	go xssh.DiscardRequests(requests)
	for c := range channels {
		channel, in, err := c.Accept()
		if err != nil {
			return
		}
		go func() {
			for req := range in {
				_ = req.Reply(req.Type == "exec", nil)
				if req.Type != "exec" {
					continue
				}
				cmd := exec.Command("git", "upload-pack", bare)
				cmd.Stdout, cmd.Stderr = channel, channel.Stderr()
				stdin, err := cmd.StdinPipe()
				if err == nil && cmd.Start() == nil {
					go func() { _, _ = io.Copy(stdin, channel); stdin.Close() }()
					_ = cmd.Wait()
				}
				_, _ = channel.SendRequest("exit-status", false, xssh.Marshal(struct{ Status uint32 }{0}))
				channel.Close()
			}
		}()
	}
}

func newKey(t *testing.T) (xssh.Signer, []byte) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := xssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	block, err := xssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	return signer, pem.EncodeToMemory(block)
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
	good := source.Options{URL: "ssh://git@" + address + "/repo.git", Refs: main,
		Auth: given(source.Auth{SSHKey: private, KnownHosts: line(host.PublicKey())})}
	repo := with(t, good)
	fetch(t, repo, head)
	fetch(t, repo, r.commit("a", "2", "two"))

	impostor := good
	impostor.Auth = given(source.Auth{SSHKey: private, KnownHosts: line(client.PublicKey())})
	refuses(t, impostor, "key mismatch", "")
	_, stranger := newKey(t)
	thief := good
	thief.Auth = given(source.Auth{SSHKey: stranger, KnownHosts: line(host.PublicKey())})
	refuses(t, thief, "unable to authenticate", "")

	unknown := good
	unknown.Auth = given(source.Auth{SSHKey: private, KnownHosts: []byte(knownhosts.Line([]string{"other.example.com"}, host.PublicKey()) + "\n")})
	if _, err := source.New(unknown); err == nil || !strings.Contains(err.Error(), "has no key of "+address) {
		t.Errorf("%v", err)
	}
	unknown.Auth = given(source.Auth{SSHKey: private})
	if _, err := source.New(unknown); err == nil || !strings.Contains(err.Error(), "known_hosts") {
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
