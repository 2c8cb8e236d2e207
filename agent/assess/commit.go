package assess

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/apply/realm"
	"github.com/xetys/tether/render"
	"github.com/xetys/tether/render/config"
)

// Reader reads and prepares commits.
type Reader struct {
	*Site
	Ledger *ledger.Ledger // what is known of the environment's past
}

// Commit is a commit's releases, prepared: read, merged, checked and digested.
type Commit struct {
	SHA       string
	Untrusted string // why it is not trusted
	Gone      bool   // the environment's folder is not there any more
	Env       *render.Environment
	targets   []target
	spaces    []string            // the namespaces that it makes exist
	InForce   *config.Environment // how drift is dealt with; of the last good commit if this one is refused; nil if unknown
	Err       error               // the commit is refused for it
	Away      error               // what it needs from elsewhere can't be had now; the commit is neither good nor refused
	files     fs.FS               // the commit's tree
	realm     realm.Realm         // what the environment may touch
	claims    *claims             // what its environments list; nil before somebody asks
}

// Unread says why the commit can't be carried out; nil if it can.
func (l *Commit) Unread() error { return cmp.Or(l.Err, l.Away) }

func (l *Commit) Atomic() bool { return l.Env != nil && l.Env.Atomic }

type target struct {
	spec     config.ReleaseSpec
	prepared *render.Prepared
}

// readTree reads and prepares the releases of a commit's tree. An error is not about
// what the tree holds: what it refers to can't be asked for, or nothing be rendered.
func (a *Reader) readTree(ctx context.Context, files fs.FS, commit string) (*Commit, error) {
	l := &Commit{SHA: commit, files: files}
	if !config.Exists(files, a.Environment) && len(a.Ledger.Releases) > 0 {
		l.Gone, l.Env = true, render.NewEnvironment(&config.Environment{Name: a.Environment, Namespace: a.Ledger.Namespace})
		l.InForce = l.Env.Environment
		l.spaces = []string{a.Ledger.Namespace}
		return l, a.bound(ctx, l)
	}
	l.Env, l.Err = render.LoadEnvironment(files, a.Environment)
	if err := a.bound(ctx, l); err != nil || l.Err != nil {
		return l, err
	}
	l.InForce = l.Env.Environment
	others, own := a.Ledger.Pins(commit)
	l.Env.Pins.Prefer(others, false)
	l.Env.Pins.Prefer(own, true)
	var problems []error
	for _, spec := range l.Env.Releases {
		p, err := a.Renderer.Prepare(ctx, files, l.Env, spec)
		if err != nil && ctx.Err() != nil {
			return nil, err
		}
		var away *render.AwayError
		if errors.As(err, &away) {
			l.Away = err // the others would wait for the same host
			break
		}
		var wrong config.Problems
		if err != nil && !errors.As(err, &wrong) {
			return nil, err
		}
		if err != nil {
			problems = append(problems, err)
			if render.ExceedsLimits(err) {
				break // each other one might take as long
			}
			continue
		}
		l.targets = append(l.targets, target{spec, p})
	}
	l.Err = errors.Join(problems...)
	l.spaces = spacesOf(l)
	return l, nil
}

// lastGood returns what the last good commit says of the environment; nil if there
// is none, or it can't be read any more.
func (a *Reader) lastGood() *config.Environment {
	if a.Ledger.Applied == nil {
		return nil
	}
	files, err := a.Files(a.Ledger.Applied.Commit)
	if err != nil {
		return nil
	}
	env, err := config.Load(files, a.Environment)
	if err != nil {
		return nil
	}
	return env
}

func spacesOf(l *Commit) []string {
	out := []string{l.Env.Namespace}
	for _, t := range l.targets {
		out = append(out, t.spec.Namespace)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Inputs tell the inputs of all releases from others: at the same commit they
// change with what they refer to in the cluster.
func (l *Commit) Inputs() string {
	if l.Untrusted != "" {
		return ""
	}
	h := sha256.New()
	for _, t := range l.targets {
		fmt.Fprintf(h, "%s/%s %s\n", t.spec.Namespace, t.spec.Name, t.prepared.Digest)
	}
	fmt.Fprintf(h, "%t %t", l.Gone, l.Err != nil) // what is wrong may be told in other words each time
	return hex.EncodeToString(h.Sum(nil))[:16]
}

// Read reads and prepares the releases of a commit's tree. What is wrong with it is in
// the commit, and the last good one says then how drift is dealt with. An error is not about
// what the tree holds: what it refers to can't be asked for, or nothing be rendered.
func (a *Reader) Read(ctx context.Context, files fs.FS, commit string) (*Commit, error) {
	l, err := a.readTree(ctx, files, commit)
	if err == nil && l.Unread() != nil {
		l.InForce = a.lastGood()
	}
	return l, err
}

// Untrusted returns a commit that is not read, since nobody trusts it.
func (a *Reader) Untrusted(ctx context.Context, commit string, why error) (*Commit, error) {
	l := &Commit{SHA: commit, Untrusted: why.Error(), Err: why, InForce: a.lastGood()}
	return l, a.bound(ctx, l)
}
