package main

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/spf13/pflag"

	"github.com/xetys/tether/render"
	"github.com/xetys/tether/render/fetch"
	"github.com/xetys/tether/source/outbound"
)

// chartFlags are how charts that lie elsewhere are fetched.
type chartFlags struct {
	registryConfig, registryCA string
	reach                      reachFlag
}

func (f *chartFlags) register(fl *pflag.FlagSet) {
	fl.StringVar(&f.registryConfig, "registry-config", "", "docker config.json with the logins for the hosts that charts come from")
	fl.StringVar(&f.registryCA, "registry-ca-file", "", "file with the certificates that those hosts' are checked against, beside the system's")
	f.reach.register(fl)
}

// rendering returns what rendering needs from outside. Charts are kept in dir, or
// below the user's cache directory.
func (f *chartFlags) rendering(dir string) (render.Config, error) {
	reach, err := f.reach.rule()
	if err != nil {
		return render.Config{}, err
	}
	o := fetch.Options{Dir: dir, Reach: reach}
	if cache, err := os.UserCacheDir(); err == nil && dir == "" {
		o.Dir = filepath.Join(cache, "tether", "charts")
	}
	for _, file := range []struct {
		flag, path string
		into       *[]byte
	}{{"--registry-config", f.registryConfig, &o.DockerConfig}, {"--registry-ca-file", f.registryCA, &o.CA}} {
		if file.path == "" {
			continue
		}
		raw, err := os.ReadFile(file.path)
		if err != nil {
			return render.Config{}, usageError{fmt.Errorf("%s: %w", file.flag, err)}
		}
		*file.into = raw
	}
	charts, err := fetch.New(o)
	if err != nil {
		return render.Config{}, usageError{err}
	}
	return render.Config{Charts: charts}, nil
}

// reachFlag are addresses that a repository may have asked though they are refused by
// default.
type reachFlag []string

func (f *reachFlag) register(fl *pflag.FlagSet) {
	fl.StringSliceVar((*[]string)(f), "reach", nil, "addresses that charts, and url of verify, may come from though they are refused by default, as CIDRs: link-local ones, and in a pod its own, such as 127.0.0.0/8")
}

func (f reachFlag) rule() (outbound.Rule, error) {
	// Beside a cluster this is somebody's own program on their own machine.
	r := outbound.Rule{Local: os.Getenv("KUBERNETES_SERVICE_HOST") == ""}
	for _, text := range f {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return r, usageError{fmt.Errorf("--reach %q: use CIDRs such as 127.0.0.0/8", text)}
		}
		r.Allow = append(r.Allow, p)
	}
	return r, nil
}
