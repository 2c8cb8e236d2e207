package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
)

const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules: [{level: Metadata}]
`

func lockThread() { runtime.LockOSThread() }

// plan is everything about a control plane that is decided before it starts.
type plan struct {
	o                      *upOptions
	self, kwok, token      string
	etcd, etcdPeer, server int // ports
}

func (o *upOptions) plan() (*plan, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &plan{o: o, self: self, kwok: o.kwok}
	if p.kwok == "" {
		p.kwok = filepath.Join(filepath.Dir(self), "kwok")
	}
	if _, err := os.Stat(p.kwok); err != nil {
		return nil, fmt.Errorf("find kwok: %w; build it with make controlplane, or give --kwok", err)
	}
	ports, err := freePorts(3)
	if err != nil {
		return nil, err
	}
	p.etcd, p.etcdPeer, p.server = ports[0], ports[1], ports[2]
	secret := make([]byte, 16)
	if _, err := rand.Read(secret); err != nil {
		return nil, err
	}
	p.token = hex.EncodeToString(secret)
	return p, p.write()
}

// freePorts asks the kernel for ports, all at once so that they differ.
func freePorts(n int) ([]int, error) {
	var out []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		out = append(out, l.Addr().(*net.TCPAddr).Port)
	}
	return out, nil
}

func (p *plan) url() string { return fmt.Sprintf("https://127.0.0.1:%d", p.server) }

// write puts the files that the components read into the folder.
func (p *plan) write() error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	serviceAccounts := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	files := map[string][]byte{
		"sa.key":      serviceAccounts,
		"tokens.csv":  []byte(p.token + ",admin,admin,system:masters\n"),
		"stages.yaml": stages(),
		"audit.yaml":  []byte(auditPolicy),
	}
	for name, content := range files {
		if err := os.WriteFile(p.o.path(name), content, 0o600); err != nil {
			return err
		}
	}
	return os.RemoveAll(p.o.path("etcd"))
}

// writeKubeconfig is done once the server has made its certificate.
func (p *plan) writeKubeconfig() error {
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
clusters:
- name: local
  cluster: {server: "%s", certificate-authority: "%s"}
users:
- name: admin
  user: {token: "%s"}
contexts:
- name: local
  context: {cluster: local, user: admin}
current-context: local
`, p.url(), p.o.path("certs/apiserver.crt"), p.token)
	return os.WriteFile(p.o.kubeconfig(), []byte(text), 0o600)
}

// start starts the components in their order and returns when all is ready.
func (p *plan) start(ctx context.Context, g *group) error {
	etcd, peer := fmt.Sprintf("http://127.0.0.1:%d", p.etcd), fmt.Sprintf("http://127.0.0.1:%d", p.etcdPeer)
	err := g.start("etcd", p.self, "etcd", "--data-dir", p.o.path("etcd"), "--unsafe-no-fsync", "--log-level", "warn",
		"--listen-client-urls", etcd, "--advertise-client-urls", etcd, "--listen-peer-urls", peer,
		"--initial-advertise-peer-urls", peer, "--initial-cluster", "default="+peer)
	if err != nil {
		return err
	}
	args := []string{"kube-apiserver", "--etcd-servers", etcd, "--cert-dir", p.o.path("certs"),
		"--secure-port", fmt.Sprint(p.server), "--bind-address", "127.0.0.1", "--service-cluster-ip-range", "10.0.0.0/12",
		"--service-account-issuer", "https://kubernetes.default.svc",
		"--service-account-key-file", p.o.path("sa.key"), "--service-account-signing-key-file", p.o.path("sa.key"),
		"--authorization-mode", "RBAC", "--token-auth-file", p.o.path("tokens.csv"), "--allow-privileged", "--profiling=false"}
	if p.o.auditLog {
		args = append(args, "--audit-policy-file", p.o.path("audit.yaml"), "--audit-log-path", p.o.path("audit.log"))
	}
	if err := g.start("kube-apiserver", p.self, args...); err != nil {
		return err
	}
	if err := p.awaitServer(ctx); err != nil {
		return err
	}
	if err := p.startClients(g); err != nil {
		return err
	}
	kube, err := p.client()
	if err != nil {
		return err
	}
	provision(ctx, kube)
	return p.awaitReady(ctx, kube)
}

// startClients starts what works through the API server.
func (p *plan) startClients(g *group) error {
	kubeconfig := p.o.kubeconfig()
	auth := []string{"--kubeconfig", kubeconfig, "--authentication-kubeconfig", kubeconfig, "--authorization-kubeconfig", kubeconfig,
		"--leader-elect=false", "--secure-port", "0", "--kube-api-qps", "200", "--kube-api-burst", "400"}
	// No node is lost because its machine is busy: kwok would not have its pods ready again.
	manager := append([]string{"kube-controller-manager", "--service-account-private-key-file", p.o.path("sa.key"), "--node-monitor-grace-period", "1h"}, auth...)
	if err := g.start("kube-controller-manager", p.self, manager...); err != nil {
		return err
	}
	if err := g.start("kube-scheduler", p.self, append([]string{"kube-scheduler"}, auth...)...); err != nil {
		return err
	}
	return g.start("kwok", p.kwok, "--kubeconfig", kubeconfig, "--manage-all-nodes=true", "--config", p.o.path("stages.yaml"),
		"--node-lease-duration-seconds", "40", "--server-address", "127.0.0.1:0")
}
