package demo

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	authv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// installation is an environment that holds nothing but Tether itself.
const installation = `apiVersion: tether.stytex.cloud/v1
kind: Environment
metadata: {name: tether}
spec:
  namespace: ` + system + `
  namespaceLabels: {pod-security.kubernetes.io/enforce: restricted}
  releases:
    - {name: tether, chart: charts/tether, values: [tether.yaml]}
`

// installServiceAccount has Tether install its own chart, and returns a
// kubeconfig with nothing but the token of the ServiceAccount that came with it.
func (d *demo) installServiceAccount(ctx context.Context) (string, error) {
	r := &repository{bare: filepath.Join(d.Dir, "install.git"), work: filepath.Join(d.Dir, "install")}
	files := map[string]string{
		"environment.yaml": installation,
		"tether.yaml":      fmt.Sprintf("repository: {url: %q}\nenvironments: [%s]\n", "https://example.com/repo.git", environment),
	}
	folder := filepath.Join(r.work, "environments", "tether")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", err
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			return "", err
		}
	}
	if err := os.CopyFS(filepath.Join(r.work, "charts", "tether"), os.DirFS(filepath.Join(d.Source, "charts", "tether"))); err != nil {
		return "", fmt.Errorf("copy charts/tether: %w; run the demo in the project's folder, or give --source", err)
	}
	if err := r.init(ctx); err != nil {
		return "", err
	}
	if _, err := r.commit(ctx, "Install Tether"); err != nil {
		return "", err
	}
	//nolint:gosec // the binary is our own
	once := exec.CommandContext(ctx, d.Tether, "agent", "--once", "--repo", r.bare, "--environment", "tether",
		"--kubeconfig", d.kubefile, "--namespace", system, "--own-release", "tether=tether", "--data-dir", filepath.Join(d.Dir, "install-data"))
	if out, err := once.CombinedOutput(); err != nil {
		return "", fmt.Errorf("install charts/tether: %w\n%s", err, out)
	}
	return d.accountKubeconfig(ctx, "tether")
}

// accountKubeconfig asks for a token of a ServiceAccount and writes a kubeconfig
// that holds no other credential.
func (d *demo) accountKubeconfig(ctx context.Context, account string) (string, error) {
	token, err := d.kube.CoreV1().ServiceAccounts(system).CreateToken(ctx, account, &authv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		return "", err
	}
	c := clientcmdapi.NewConfig()
	c.Clusters["demo"] = &clientcmdapi.Cluster{
		Server: d.config.Host, CertificateAuthorityData: d.config.CAData, CertificateAuthority: d.config.CAFile,
		InsecureSkipTLSVerify: d.config.Insecure,
	}
	c.AuthInfos["demo"] = &clientcmdapi.AuthInfo{Token: token.Status.Token}
	c.Contexts["demo"] = &clientcmdapi.Context{Cluster: "demo", AuthInfo: "demo"}
	c.CurrentContext = "demo"
	path := filepath.Join(d.Dir, "serviceaccount.kubeconfig")
	return path, clientcmd.WriteToFile(*c, path)
}
