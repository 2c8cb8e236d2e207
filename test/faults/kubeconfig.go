package faults

import (
	"encoding/pem"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

// Kubeconfig writes a kubeconfig that points at the proxy. Its user is the one of
// the kubeconfig that the proxy was started with.
func (p *Proxy) Kubeconfig(file string) error { return p.write(file, p.token) }

// KubeconfigOf is Kubeconfig for whom a bearer token stands for.
func (p *Proxy) KubeconfigOf(file, token string) error { return p.write(file, token) }

func (p *Proxy) write(file, token string) error {
	config := api.NewConfig()
	config.Clusters["faults"] = &api.Cluster{Server: p.URL,
		CertificateAuthorityData: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.server.Certificate().Raw})}
	config.AuthInfos["faults"] = &api.AuthInfo{Token: token}
	config.Contexts["faults"] = &api.Context{Cluster: "faults", AuthInfo: "faults"}
	config.CurrentContext = "faults"
	return clientcmd.WriteToFile(*config, file)
}
