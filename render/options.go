package render

import (
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"

	"github.com/xetys/tether/render/manifest"
)

// Capabilities are what a chart sees of a cluster.
type Capabilities struct {
	KubeVersion string
	APIVersions []string
}

// OfflineKubeVersion is what charts see without a cluster.
const OfflineKubeVersion = "v1.37.2"

// OfflineCapabilities are what charts see without a cluster: the APIs that Helm
// itself knows, and more if given.
func OfflineCapabilities(kubeVersion string, more []string) *Capabilities {
	if kubeVersion == "" {
		kubeVersion = OfflineKubeVersion
	}
	return &Capabilities{KubeVersion: kubeVersion, APIVersions: append(append([]string{}, chartutil.DefaultVersionSet...), more...)}
}

// Options are what a render depends on besides its inputs.
type Options struct {
	Capabilities *Capabilities
	// Lookup answers the lookup function; nil for none.
	Lookup    engine.ClientProvider
	Revision  int
	IsUpgrade bool
	// Namespaced tells the scope of kinds; nil for the well-known ones.
	Namespaced manifest.Scope
	// Installs has a chart see the APIs of its own crds/ folders, and of Defined, as
	// if they were in the cluster already: helm install puts them there first.
	Installs bool
	// Historic has the release not held to its environment's rules: it is what was.
	Historic bool
	// Defined are the CRDs that come before the release.
	Defined manifest.Defined
	// Preview says that what is rendered is to be looked at, and not deployed: it is not
	// kept for the next time.
	Preview bool
}
