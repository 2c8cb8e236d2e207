package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/xetys/tether/agent/assess"
	"github.com/xetys/tether/apply"
	"github.com/xetys/tether/render"
)

// sopsFlags say where the keys for SOPS files are.
type sopsFlags struct{ files, secrets []string }

func (f *sopsFlags) register(fl *pflag.FlagSet) {
	fl.StringSliceVar(&f.files, "sops-key-file", nil, "a file with keys for SOPS: age identities, or an armored OpenPGP private key (also: the variables SOPS_AGE_KEY_FILE and SOPS_AGE_KEY, as for sops)")
}

func (f *sopsFlags) registerSecrets(fl *pflag.FlagSet) {
	f.register(fl)
	fl.StringSliceVar(&f.secrets, "sops-secret", nil, "a Secret in --namespace with keys for SOPS, named *.agekey and *.asc; ENVIRONMENT=NAME for those of one environment alone")
}

// keys reads the keys that lie in files.
func (f *sopsFlags) keys() (assess.Keys, error) {
	k := assess.Keys{Files: map[string][]byte{}, Secrets: f.secrets}
	files := slices.Clone(f.files)
	if own := os.Getenv("SOPS_AGE_KEY_FILE"); own != "" {
		files = append(files, own)
	}
	for _, name := range files {
		raw, err := os.ReadFile(name)
		if err != nil {
			return k, usageError{fmt.Errorf("--sops-key-file: %w", err)}
		}
		k.Files[name] = raw
	}
	if own := os.Getenv("SOPS_AGE_KEY"); own != "" {
		k.Files["SOPS_AGE_KEY"] = []byte(own)
	}
	if err := k.Check(); err != nil {
		return k, usageError{fmt.Errorf("--sops-key-file: %w", err)}
	}
	for _, s := range f.secrets {
		if environment, name, one := strings.Cut(s, "="); s == "" || one && (environment == "" || name == "") {
			return k, usageError{fmt.Errorf("--sops-secret %q: use NAME or ENVIRONMENT=NAME", s)}
		}
	}
	return k, nil
}

// config is what values are read with: the keys, and a cluster if there is one.
func (f *sopsFlags) config(c *apply.Cluster, environment, namespace string) (render.Config, error) {
	keys, err := f.keys()
	if err != nil {
		return render.Config{}, err
	}
	if c == nil && len(keys.Secrets) > 0 {
		return render.Config{}, usageError{errors.New("--sops-secret names what lies in a cluster, and none is asked: give --kubeconfig (tether diff: --live), or the keys by --sops-key-file")}
	}
	if c == nil {
		return render.Config{Keys: keys.For(nil, environment, namespace)}, nil
	}
	return render.Config{References: c.References(nil), Keys: keys.For(c.OwnReferences(nil), environment, namespace)}, nil
}
