package hosts

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cgi"
	"os/exec"
	"strings"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"
	xssh "golang.org/x/crypto/ssh"
)

// GitPath is where GitHTTP has its repository.
const GitPath = "/repo.git"

// GitHTTP serves a bare repository by git's own http-backend, to those whom knows
// lets in.
func GitHTTP(bare string, knows func(user, password string) bool) (http.Handler, error) {
	git, err := exec.LookPath("git")
	if err != nil {
		return nil, err
	}
	backend := &cgi.Handler{Path: git, Args: []string{"http-backend"}, Root: GitPath, Env: []string{"GIT_PROJECT_ROOT=" + bare, "GIT_HTTP_EXPORT_ALL=1"}}
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if user, password, _ := req.BasicAuth(); !knows(user, password) {
			w.Header().Set("WWW-Authenticate", "Basic")
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		backend.ServeHTTP(w, req)
	}), nil
}

// GitHub is the part of GitHub's API that gives an App tokens. Of all that it gave,
// the last one counts.
type GitHub struct {
	// ID and Installation are those of the App, Key its public key.
	ID, Installation string
	Key              *rsa.PublicKey
	// Lasts is for how long a token is good.
	Lasts time.Duration
	// Tokens is how many were given; one more revokes the last.
	Tokens atomic.Int32
}

// Path is where tokens are asked for.
func (g *GitHub) Path() string { return "/app/installations/" + g.Installation + "/access_tokens" }

// Knows reports whether a password is the token that counts.
func (g *GitHub) Knows(user, password string) bool {
	return user == "x-access-token" && password == fmt.Sprintf("ghs_%d", g.Tokens.Load())
}

// ServeHTTP gives a token to the App, if it asks to read contents and no more.
func (g *GitHub) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	claims := jwt.RegisteredClaims{}
	_, err := jwt.ParseWithClaims(strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer "), &claims,
		func(*jwt.Token) (any, error) { return g.Key, nil }, jwt.WithValidMethods([]string{"RS256"}), jwt.WithIssuedAt(), jwt.WithExpirationRequired())
	if err != nil || req.Method != http.MethodPost || claims.Issuer != g.ID || claims.ExpiresAt.Sub(claims.IssuedAt.Time) > 10*time.Minute {
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"message": "A JSON web token could not be decoded"}`)
		return
	}
	var asked struct{ Permissions map[string]string }
	if err := json.NewDecoder(req.Body).Decode(&asked); err != nil || len(asked.Permissions) != 1 || asked.Permissions["contents"] != "read" {
		w.WriteHeader(http.StatusUnprocessableEntity)
		fmt.Fprint(w, `{"message": "The permissions requested are not granted to this installation."}`)
		return
	}
	w.WriteHeader(http.StatusCreated)
	fmt.Fprintf(w, `{"token": "ghs_%d", "expires_at": %q}`, g.Tokens.Add(1), time.Now().Add(g.Lasts).UTC().Format(time.RFC3339))
}

// SSHKey returns a new key, and its private part in PEM.
func SSHKey() (xssh.Signer, []byte, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	signer, err := xssh.NewSignerFromKey(private)
	if err != nil {
		return nil, nil, err
	}
	block, err := xssh.MarshalPrivateKey(private, "")
	return signer, pem.EncodeToMemory(block), err
}

// GitSSH serves a bare repository by git's own upload-pack, to who has the client's
// key, until the listener that it returns is closed.
func GitSSH(bare string, host xssh.Signer, client xssh.PublicKey) (net.Listener, error) {
	config := &xssh.ServerConfig{PublicKeyCallback: func(_ xssh.ConnMetadata, key xssh.PublicKey) (*xssh.Permissions, error) {
		if bytes.Equal(key.Marshal(), client.Marshal()) {
			return nil, nil
		}
		return nil, errors.New("unknown key")
	}}
	config.AddHostKey(host)
	return listen(func(conn net.Conn) { serveSSH(conn, config, bare) })
}

// listen has each connection to a new address of loopback served.
func listen(serve func(net.Conn)) (net.Listener, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go serve(conn)
		}
	}()
	return l, nil
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
		go uploadPack(channel, in, bare)
	}
}

// uploadPack answers the one command that a client may run.
func uploadPack(channel xssh.Channel, in <-chan *xssh.Request, bare string) {
	for req := range in {
		_ = req.Reply(req.Type == "exec", nil) // who asks has hung up if this fails
		if req.Type != "exec" {
			continue
		}
		cmd := exec.Command("git", "upload-pack", bare)
		cmd.Stdout, cmd.Stderr = channel, channel.Stderr()
		stdin, err := cmd.StdinPipe()
		if err == nil && cmd.Start() == nil {
			go func() { _, _ = io.Copy(stdin, channel); stdin.Close() }()
			_ = cmd.Wait() // the client sees what it got
		}
		_, _ = channel.SendRequest("exit-status", false, xssh.Marshal(struct{ Status uint32 }{0}))
		channel.Close()
	}
}
