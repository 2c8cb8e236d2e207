package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"github.com/xetys/tether/render"
	"github.com/xetys/tether/render/blame"
)

// registerHistory are the flags of commands that render commits.
func (f *renderFlags) registerHistory(fl *pflag.FlagSet) {
	fl.StringVar(&f.revision, "revision", "", "the commit to ask about (default HEAD)")
	fl.StringVar(&f.kubeVersion, "kube-version", "", "the Kubernetes version that charts see")
	fl.StringSliceVar(&f.apiVersions, "api-versions", nil, "APIs that charts see, beside the built-in ones")
	f.sops.register(fl)
	f.charts.register(fl)
}

// at is the commit that is asked about.
func (f *renderFlags) at(history past) (*blame.Commit, error) {
	head, err := history.Commit(cmp.Or(f.revision, "HEAD"))
	if err != nil {
		return nil, usageError{fmt.Errorf("--repo %s: %w", f.repo, err)}
	}
	return head, nil
}

// historyCache bounds what is kept of commits on disk, in bytes.
const historyCache = 64 << 20

// blamer renders commits; what they render to is kept below the user's cache directory.
func (f *renderFlags) blamer(environment string, history blame.History) (*blame.Blamer, error) {
	config, err := f.sops.config(nil, environment, f.namespace)
	if err != nil {
		return nil, err
	}
	rendering, err := f.charts.rendering("")
	if err != nil {
		return nil, err
	}
	config.Lenient, config.Charts = true, rendering.Charts
	b := &blame.Blamer{History: history, Renderer: render.NewRenderer(config),
		Options: render.Options{Revision: 1, Capabilities: render.OfflineCapabilities(f.kubeVersion, f.apiVersions)}}
	keys, err := f.sops.keys()
	if err != nil {
		return nil, err
	}
	if dir, err := os.UserCacheDir(); err == nil {
		salt := []string{build(), f.kubeVersion, strings.Join(f.apiVersions, ","), fmt.Sprint(len(keys.Files) > 0)}
		b.Cache = blame.OpenCache(filepath.Join(dir, "tether", "history"), strings.Join(salt, "\n"), historyCache)
	}
	return b, nil
}

// build tells this program from others: two versions may render differently.
func build() string {
	name, err := os.Executable()
	if err != nil {
		return version
	}
	info, err := os.Stat(name)
	if err != nil {
		return version
	}
	return cmp.Or(version, "dev") + info.ModTime().String()
}

// open returns what blames an environment, and the commit to blame it at.
func (f *blameFlags) open(environment string) (*blame.Blamer, *blame.Commit, error) {
	history, err := f.openPast()
	if err != nil {
		return nil, nil, err
	}
	head, err := f.at(history)
	if err != nil {
		return nil, nil, err
	}
	b, err := f.blamer(environment, history)
	return b, head, err
}
