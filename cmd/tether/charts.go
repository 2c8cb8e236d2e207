package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/pflag"

	"github.com/xetys/tether/render"
	"github.com/xetys/tether/render/fetch"
)

// chartFlags are how charts that lie elsewhere are fetched.
type chartFlags struct{ registryConfig, registryCA string }

func (f *chartFlags) register(fl *pflag.FlagSet) {
	fl.StringVar(&f.registryConfig, "registry-config", "", "docker config.json with the logins for the hosts that charts come from")
	fl.StringVar(&f.registryCA, "registry-ca-file", "", "file with the certificates that those hosts' are checked against, beside the system's")
}

// rendering returns what rendering needs from outside. Charts are kept in dir, or
// below the user's cache directory.
func (f *chartFlags) rendering(dir string) (render.Config, error) {
	o := fetch.Options{Dir: dir}
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
