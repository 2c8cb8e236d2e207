// Package hosts starts what an agent talks to besides its cluster, for tests: a real
// registry, a chart repository, git over https and ssh, proxies, and a real key
// service, on this machine's loopback with TLS, passwords and keys.
//
// It does not know Tether.
package hosts

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/xetys/tether/test/cluster"
)

// The one who may read and write.
const (
	User     = "ann"
	Password = "password-of-ann"
)

// Site is a folder with a certificate authority, and the hosts that it vouches for.
type Site struct {
	// Dir holds ca.pem, and config.json with the login for all hosts.
	Dir         string
	certificate tls.Certificate
}

// New returns a Site in an empty folder.
func New(dir string) (*Site, error) {
	s := &Site{Dir: dir}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		DNSNames: []string{"localhost", "example.com", "dev.azure.com"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	secret, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: secret})
	if s.certificate, err = tls.X509KeyPair(certPEM, keyPEM); err != nil {
		return nil, err
	}
	for name, raw := range map[string][]byte{"ca.pem": certPEM, "key.pem": keyPEM} {
		if err := os.WriteFile(s.Path(name), raw, 0o600); err != nil {
			return nil, err
		}
	}
	return s, s.know()
}

// Path is a file of the site.
func (s *Site) Path(name string) string { return filepath.Join(s.Dir, name) }

// know writes a docker config.json with the login for hosts.
func (s *Site) know(hosts ...string) error {
	text := `{"auths":{`
	for i, h := range hosts {
		if i > 0 {
			text += ","
		}
		text += fmt.Sprintf("%q:{\"auth\":%q}", h, base64.StdEncoding.EncodeToString([]byte(User+":"+Password)))
	}
	return os.WriteFile(s.Path("config.json"), []byte(text+"}}"), 0o600)
}

// Helm runs helm with the site's logins.
func (s *Site) Helm(args ...string) (string, error) {
	helm, err := cluster.Binary("helm")
	if err != nil {
		return "", err
	}
	cmd := exec.Command(helm, args...)
	cmd.Env = append(os.Environ(), "HOME="+s.Dir, "HELM_REGISTRY_CONFIG="+s.Path("config.json"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("helm %v: %w\n%s", args, err, out)
	}
	return string(out), err
}

// Registry is a registry that runs, or is stopped.
type Registry struct {
	// Host is its address, the same after it was stopped and started again.
	Host string
	site *Site
	server
}

// Registry starts a registry. Only User may read it.
func (s *Site) Registry() (*Registry, error) {
	hash, err := bcrypt.GenerateFromPassword([]byte(Password), bcrypt.MinCost)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(s.Path("htpasswd"), []byte(User+":"+string(hash)+"\n"), 0o600); err != nil {
		return nil, err
	}
	host, err := free()
	if err != nil {
		return nil, err
	}
	r := &Registry{Host: host, site: s}
	config := fmt.Sprintf(`version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage:
  filesystem: {rootdirectory: %s}
http: {addr: %q, secret: test, tls: {certificate: %s, key: %s}}
auth:
  htpasswd: {realm: test, path: %s}
`, s.Path("registry"), r.Host, s.Path("ca.pem"), s.Path("key.pem"), s.Path("htpasswd"))
	if err := os.WriteFile(s.Path("registry.yaml"), []byte(config), 0o600); err != nil {
		return nil, err
	}
	if err := s.know(r.Host); err != nil {
		return nil, err
	}
	return r, r.Start()
}

// Start starts a registry that was stopped, with all that was pushed to it.
func (r *Registry) Start() error {
	return r.start(r.Host, r.site.Path("registry.log"), []string{"OTEL_TRACES_EXPORTER=none"}, "registry", "serve", r.site.Path("registry.yaml"))
}

var digest = regexp.MustCompile(`Digest: (sha256:[0-9a-f]{64})`)

// Push pushes a packed chart below /charts, and returns its manifest's digest.
func (r *Registry) Push(archive string) (string, error) {
	out, err := r.site.Helm("push", archive, "oci://"+r.Host+"/charts", "--ca-file", r.site.Path("ca.pem"))
	if err != nil {
		return "", err
	}
	found := digest.FindStringSubmatch(out)
	if found == nil {
		return "", fmt.Errorf("helm push printed no digest: %s", out)
	}
	return found[1], nil
}

// Repository is a chart repository.
type Repository struct {
	// URL and Host are its address.
	URL, Host string
	// Open lets everybody read it.
	Open atomic.Bool
	// Status, if not zero, is what it answers to everything.
	Status atomic.Int32
	// Requests counts what was asked of it.
	Requests atomic.Int32
	server   *httptest.Server
}

// Repository serves a folder as a chart repository, which Index makes of it. Only
// User may read it, unless it is open.
func (s *Site) Repository(dir string) *Repository {
	r := &Repository{}
	files := http.FileServer(http.Dir(dir))
	r.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.Requests.Add(1)
		user, password, _ := req.BasicAuth()
		switch {
		case r.Status.Load() != 0:
			w.WriteHeader(int(r.Status.Load()))
		case !r.Open.Load() && (user != User || password != Password):
			w.WriteHeader(http.StatusUnauthorized)
		default:
			files.ServeHTTP(w, req)
		}
	}))
	s.serve(r.server)
	r.URL, r.Host = r.server.URL, r.server.Listener.Addr().String()
	return r
}

// Close stops the repository.
func (r *Repository) Close() { r.server.Close() }

// Handle serves anything over TLS, and returns its URL.
func (s *Site) Handle(h http.Handler) (string, func()) {
	server := httptest.NewUnstartedServer(h)
	s.serve(server)
	return server.URL, server.Close
}

func (s *Site) serve(server *httptest.Server) {
	server.TLS = &tls.Config{Certificates: []tls.Certificate{s.certificate}, MinVersion: tls.VersionTLS12}
	server.Config.ErrorLog = nil
	server.StartTLS()
}
