// Package promote carries out the promotions that environments declare: it writes the images
// that run well in one environment into the values of another, in a commit that is pushed.
//
// It does not know how commits are pushed, and changes no cluster: a promotion is deployed
// like any other commit, with the same rules, windows and pauses.
package promote

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/agent/status"
	"github.com/xetys/tether/render"
	"github.com/xetys/tether/render/config"
	"github.com/xetys/tether/render/images"
	"github.com/xetys/tether/source"
)

// Cluster is what the two environments are like.
type Cluster interface {
	// From returns the ledger of the environment whose images are taken, and what it is
	// like; health is judged by the rules that its files in a commit say.
	From(ctx context.Context, env *render.Environment) (*ledger.Ledger, *status.Status, error)
	// Control returns what people asked for about the environment that gets them.
	Control(ctx context.Context) (ledger.Control, error)
	// Load and Save keep what was promoted.
	Load(ctx context.Context) (string, error)
	Save(ctx context.Context, text string) error
}

// Repository is the source of commits, as far as promotions ask it.
type Repository interface {
	source.Pusher
	Last(ref source.Ref) (source.Head, error)
	Revision(id string) (*source.Revision, error)
}

// Promoter promotes to one environment. It is used by one goroutine.
type Promoter struct {
	Environment string
	Ref         source.Ref
	Repository  Repository
	Cluster     Cluster
	// Renderer finds the keys of values that decide images; it is lenient.
	Renderer *render.Renderer
	// Leads reports whether this process leads the environment: else nothing is pushed.
	Leads func() bool
	// Pushed is called when a commit was pushed.
	Pushed func()
	// Say tells of a promotion, or with failed why there is none: the same is told once.
	Say func(ctx context.Context, failed bool, text string)
	Now func() time.Time

	memory *memory
	told   string
	failed map[string]string // why a content of a release can't be promoted to a head, by both
}

// Run looks every interval, until ctx ends.
func (p *Promoter) Run(ctx context.Context, interval time.Duration) {
	timer := time.NewTimer(interval)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		err := p.Look(ctx)
		if ctx.Err() != nil {
			return
		}
		p.tell(ctx, err)
		timer.Reset(interval)
	}
}

// tell says why nothing is promoted, if that is another reason than before.
func (p *Promoter) tell(ctx context.Context, err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text != p.told && text != "" {
		p.Say(ctx, true, text)
	}
	p.told = text
}

// Look promotes what is to be promoted now, in one commit. A head that can't be read, or
// is not trusted, is told of by the environment itself, and nothing is added to it.
func (p *Promoter) Look(ctx context.Context) error {
	head, err := p.Repository.Last(p.Ref)
	if err != nil || head.Err != nil || head.Untrusted != nil || !p.Leads() {
		return nil
	}
	rev, err := p.Repository.Revision(head.SHA)
	if err != nil {
		return nil
	}
	to, err := render.LoadEnvironment(rev.Files, p.Environment)
	if err != nil || to.Promote == nil {
		return nil
	}
	if p.memory == nil {
		text, err := p.Cluster.Load(ctx)
		if err != nil {
			return fmt.Errorf("what was promoted before can't be read: %w", err)
		}
		p.memory = remembered(text)
	}
	ready, err := p.ready(ctx, rev, to)
	if err != nil || len(ready) == 0 {
		return err
	}
	return p.promote(ctx, rev, to, ready)
}

// ready are the releases that may be promoted now, and were not as they are.
func (p *Promoter) ready(ctx context.Context, rev *source.Revision, to *render.Environment) ([]status.ReleaseStatus, error) {
	from, err := render.LoadEnvironment(rev.Files, to.Promote.From)
	if err != nil {
		return nil, fmt.Errorf("environment %s, from which images are taken, can't be read: %w", to.Promote.From, err)
	}
	l, st, err := p.Cluster.From(ctx, from)
	if err != nil {
		return nil, fmt.Errorf("environment %s, from which images are taken: %w", from.Name, err)
	}
	control, err := p.Cluster.Control(ctx)
	if err != nil {
		return nil, err
	}
	now := p.Now()
	var out []status.ReleaseStatus
	for _, r := range st.Releases {
		if !wanted(to, r.Name) || p.memory.Releases[r.Name] == digestOf(r) || control.Paused(r.Name, now) != nil {
			continue
		}
		if r.NotWell() == "" && now.Sub(wellSince(l, r, now)) >= to.Promote.After {
			out = append(out, r)
		}
	}
	return out, nil
}

// wanted reports whether a release of an environment gets images from another one.
func wanted(to *render.Environment, name string) bool {
	has := slices.ContainsFunc(to.Releases, func(s config.ReleaseSpec) bool { return s.Name == name })
	return has && (len(to.Promote.Releases) == 0 || slices.Contains(to.Promote.Releases, name))
}

// wellSince is since when a release runs what it runs and is healthy, by the ledger, which
// may know less: then it is since the ledger began.
func wellSince(l *ledger.Ledger, r status.ReleaseStatus, now time.Time) time.Time {
	var since time.Time
	if len(l.Entries) > 0 {
		since = l.Entries[0].Started
	}
	later := func(t time.Time) {
		if t.After(since) {
			since = t
		}
	}
	for i := range l.Entries {
		e := &l.Entries[i]
		o := e.Outcome(r.Namespace, r.Name)
		switch {
		case o == nil || o.Action == ledger.Repair:
		case e.Finished == nil:
			return now
		default:
			later(*e.Finished)
		}
	}
	for _, a := range l.Acts {
		if a.Release == r.Name && (a.Kind == ledger.Unhealthy || a.Kind == ledger.Recovered) {
			later(a.At)
		}
	}
	for _, known := range l.Releases {
		if known.Name == r.Name && known.Namespace == r.Namespace && known.Decline != nil {
			return now
		}
	}
	return since
}

// promote makes the commit and pushes it, and keeps what was promoted: the same is never
// promoted again, so that whoever takes it back has the last word.
func (p *Promoter) promote(ctx context.Context, rev *source.Revision, to *render.Environment, ready []status.ReleaseStatus) error {
	here := &images.Repository{Files: rev.Files, Renderer: p.Renderer, Options: render.Options{Revision: 1, Capabilities: render.OfflineCapabilities("", nil)}}
	var errs []error
	var all []*images.Change
	done := &proposal{environment: to.Name, from: to.Promote.From}
	for _, r := range ready {
		changes, err := p.release(ctx, here, rev.SHA, to, r)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for _, c := range changes {
			all, here = append(all, c), here.With(c)
		}
		done.add(r, changes)
	}
	if len(done.releases) == 0 {
		return errors.Join(errs...)
	}
	if len(all) > 0 && p.Leads() {
		if err := p.push(ctx, rev.SHA, to, done, images.Merge(all)); err != nil {
			return err
		}
	}
	for _, r := range done.releases {
		p.memory.Releases[r.Name] = digestOf(r)
	}
	return errors.Join(append(errs, p.Cluster.Save(ctx, p.memory.text()))...)
}

// release returns the changes that a release needs. What can't be is not tried again for the
// same content and head, unless something was away.
func (p *Promoter) release(ctx context.Context, here *images.Repository, head string, to *render.Environment, r status.ReleaseStatus) ([]*images.Change, error) {
	key := head + " " + r.Name + " " + digestOf(r)
	if why := p.failed[key]; why != "" {
		return nil, errors.New(why)
	}
	there, err := p.Repository.Revision(r.Commit)
	if err != nil {
		return nil, fmt.Errorf("release %s of %s runs commit %.7s, which the agent's clone does not have: %w", r.Name, to.Promote.From, r.Commit, err)
	}
	from := &images.Repository{Files: there.Files, Renderer: here.Renderer, Options: here.Options}
	changes, err := here.Promote(ctx, to.Name, from, to.Promote.From, r.Name)
	if err == nil {
		err = ownFiles(to.Name, changes)
	}
	if err == nil {
		return changes, nil
	}
	err = fmt.Errorf("release %s can't be promoted from %s: %w", r.Name, to.Promote.From, err)
	if away := (*render.AwayError)(nil); !errors.As(err, &away) && ctx.Err() == nil {
		if p.failed == nil {
			p.failed = map[string]string{}
		}
		maps.DeleteFunc(p.failed, func(other, _ string) bool { return !strings.HasPrefix(other, head+" ") })
		p.failed[key] = err.Error()
	}
	return nil, err
}

// ownFiles refuses changes of files that are not the environment's own. The agent may push to
// all of the repository, and who writes environment.yaml, which lists the files, may not.
func ownFiles(environment string, changes []*images.Change) error {
	folder := "environments/" + environment + "/"
	for _, c := range changes {
		if !strings.HasPrefix(c.File, folder) {
			return fmt.Errorf("%s would be set in %s: the agent changes no file outside of %s; list one of the environment's own after it, or have a person promote it with tether promote", c.Key, c.File, folder)
		}
	}
	return nil
}

// push pushes the commit: to the branch that the environment follows, or to a new one.
func (p *Promoter) push(ctx context.Context, head string, to *render.Environment, done *proposal, changes []*images.Change) error {
	out := source.Proposal{Ref: p.Ref, Base: head, Files: map[string][]byte{}, Message: done.message(), Time: p.Now()}
	for _, c := range changes {
		out.Files[c.File] = c.After
	}
	if to.Promote.Via == config.ViaBranch {
		out.Branch = done.branch()
	}
	commit, err := p.Repository.Push(ctx, out)
	switch {
	case errors.Is(err, source.ErrProposed): // by a process that could not write it down
		return nil
	case errors.Is(err, source.ErrMoved):
		p.Pushed()
		return fmt.Errorf("a promotion to %s is made anew: %w", to.Name, err)
	case err != nil:
		return fmt.Errorf("a promotion to %s can't be pushed: %w", to.Name, err)
	}
	p.Say(ctx, false, fmt.Sprintf("promoted %s from %s: pushed commit %.7s to branch %s", strings.Join(done.names(), ", "), to.Promote.From, commit, cmp.Or(out.Branch, string(p.Ref))))
	p.Pushed()
	return nil
}
