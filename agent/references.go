package agent

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
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

// references are the Secrets in which an environment's keys lie.
func (k Keys) references(environment, namespace string) []manifest.Reference {
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
		for _, ref := range k.references(environment, namespace) {
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

// moved takes note that something the environment refers to in the cluster is
// another than it was. A rollout with what it was before makes way.
func (e *environment) moved(ref manifest.Reference) {
	e.inbox.stir(ref.String())
	e.rollouts.stop(&interruption{ref.String() + " changed"})
	e.inbox.trigger()
}

// retain ends the watches of what the environment does not refer to any more, and drops
// the releases that it does not list any more.
func (e *environment) retain(l *loaded) {
	if l.env == nil {
		return
	}
	e.renderer.Retain(l.env)
	used := e.agent.opts.Keys.references(e.name, e.agent.opts.Namespace)
	for _, r := range l.env.Releases {
		for _, v := range r.ValuesFrom {
			used = append(used, v.Reference)
		}
	}
	e.references.Retain(used)
}

// fingerprint tells the inputs of all releases from others: at the same commit they
// change with what they refer to in the cluster.
func (l *loaded) fingerprint() string {
	h := sha256.New()
	for _, t := range l.targets {
		fmt.Fprintf(h, "%s/%s %s\n", t.spec.Namespace, t.spec.Name, t.prepared.Digest)
	}
	fmt.Fprintf(h, "%t %t", l.gone, l.err != nil) // what is wrong may be told in other words each time
	return hex.EncodeToString(h.Sum(nil))[:16]
}

// reopen begins another entry for a commit that had its verdict, when what it refers
// to made other inputs of it.
func (e *environment) reopen(l *loaded, moved []string) {
	before := e.ledger.Inputs
	e.ledger.Inputs = l.inputs
	head := e.ledger.Head()
	if before == "" || before == l.inputs || head == nil || !head.Verdict.Stands() {
		return
	}
	why := "values from outside of git changed"
	switch {
	case l.untrusted != "":
		why = "it is not trusted any more"
	case len(moved) > 0:
		why = strings.Join(moved, ", ") + " changed"
	}
	e.ledger.Again(why, e.agent.opts.Now())
	e.retries.forget()
	e.log.Info("inputs changed without a commit", "commit", short(head.Commit.Commit), "reason", why)
}
