package assess

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"strings"

	"github.com/xetys/tether/render"
	"github.com/xetys/tether/render/manifest"
	"github.com/xetys/tether/render/sops"
)

// Keys say where the keys are that decrypt SOPS files.
type Keys struct {
	// Files are keys by the names of their files.
	Files map[string][]byte
	// Secrets lie in the agent's namespace: NAME holds keys for every environment,
	// ENVIRONMENT=NAME for one.
	Secrets []string
}

// Check reports what is wrong with the keys in files.
func (k Keys) Check() error {
	_, err := sops.NewKeys(k.Files)
	return err
}

// lackError says why keys are not there; it stays so until somebody changes it.
type lackError struct{ error }

// Lasting reports that asking again has the same answer.
func (lackError) Lasting() bool { return true }

// References are the Secrets in which an environment's keys lie.
func (k Keys) References(environment, namespace string) []manifest.Reference {
	var out []manifest.Reference
	for _, s := range k.Secrets {
		of, name, one := strings.Cut(s, "=")
		if !one {
			of, name = environment, s
		}
		if of == environment {
			out = append(out, manifest.Reference{Kind: "Secret", Namespace: namespace, Name: name})
		}
	}
	return out
}

// For returns what reads an environment's keys. They are read anew each time: refs
// knows them.
func (k Keys) For(refs render.References, environment, namespace string) func(context.Context) (*sops.Keys, error) {
	var last *sops.Keys
	return func(ctx context.Context) (*sops.Keys, error) {
		files := maps.Clone(k.Files)
		if files == nil {
			files = map[string][]byte{}
		}
		var lacks []error
		for _, ref := range k.References(environment, namespace) {
			data, err := refs.Read(ctx, ref)
			var lasting interface{ Lasting() bool }
			switch found := sops.SecretKeys(data); {
			case errors.Is(err, fs.ErrNotExist):
				lacks = append(lacks, fmt.Errorf("%s, which --sops-secret names, does not exist", ref))
			case errors.As(err, &lasting):
				lacks = append(lacks, fmt.Errorf("%s: %w", ref, err))
			case err != nil:
				return nil, err
			case len(found) == 0:
				lacks = append(lacks, fmt.Errorf("%s holds no key whose name ends in .agekey or .asc", ref))
			default:
				for name, raw := range found {
					files[ref.String()+" "+name] = raw
				}
			}
		}
		keys, err := sops.NewKeys(files)
		if err != nil {
			lacks = append(lacks, err)
		}
		if keys != nil && last != nil && last.ID() == keys.ID() {
			keys = last
		}
		last = keys
		if len(lacks) > 0 {
			return keys, lackError{errors.Join(lacks...)}
		}
		return keys, nil
	}
}
