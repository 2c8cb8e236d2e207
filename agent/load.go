package agent

import (
	"context"
	"slices"

	"github.com/xetys/tether/agent/assess"
	"github.com/xetys/tether/render"
	"github.com/xetys/tether/source"
)

// load reads and prepares a commit's releases. A commit that was loaded is not
// read again, unless what it refers to in the cluster changed, or what it lacked may
// be there by now. What is wrong with it is in loaded.err and loaded.away; an error is
// about the clone, the cluster or the ledger.
func (e *environment) load(ctx context.Context, head source.Head) (*assess.Commit, error) {
	moved := e.inbox.takeStirred()
	if l := e.desired.loaded; l != nil && l.SHA == head.SHA && l.Untrusted == reason(head.Untrusted) && len(moved) == 0 && !e.worthReading(l) {
		return l, nil
	}
	asked := e.inbox.requestNow()
	l, err := e.read(ctx, head)
	if err != nil {
		e.inbox.stir(moved...)
		return nil, err
	}
	e.desired.unreported = append(e.desired.unreported, moved...)
	if l.Away == nil { // else it is not known yet what its inputs are
		e.reopen(l, e.desired.unreported)
		e.desired.unreported = nil
	}
	e.retain(l)
	e.desired.loaded, e.desired.asked = l, asked
	e.judgeBy(l.InForce)
	return l, nil
}

// judgeBy has objects' health judged by an environment's rules, and by the agent's
// where it has none for a kind.
func (e *environment) judgeBy(env *render.Environment) {
	rules := e.agent.opts.Health
	if env != nil {
		rules = env.Health.Then(rules)
	}
	e.Cluster.SetHealthRules(rules)
	if r := e.agent.reads; r != nil {
		r.JudgeBy(e.Environment, rules)
	}
}

// worthReading reports whether a commit that was not good may be by now: somebody
// publishes a chart, or corrects a login; or says so.
func (e *environment) worthReading(l *assess.Commit) bool {
	now := e.Now()
	switch {
	case l.Away != nil:
		return e.desired.asked != e.inbox.requestNow() || !e.retries.away.pending(now)
	case l.Err != nil:
		return e.retries.refusal.known(e.askedOf(l), now) == nil
	}
	return false
}

// postponeRead has a commit read again later, the later the more often it was.
func (e *environment) postponeRead(l *assess.Commit) {
	if l.Away == nil {
		e.retries.away = retry{}
		return
	}
	in := e.retries.away.next()
	e.retries.away.err, e.retries.away.until = l.Away, e.Now().Add(in)
	e.log.Warn("will try again", "error", l.Away, "in", timeOf(in))
}

// keepResolved puts into the ledger what the commit's charts were resolved to,
// before anything is done with it: after a restart, here or elsewhere, they are the
// same.
func (e *environment) keepResolved(ctx context.Context, l *assess.Commit) error {
	if l.Env == nil || l.Gone || l.Unread() != nil { // what was resolved is not all there is to resolve
		return nil
	}
	head, used := e.ledger.Head(), l.Env.Pins.Used()
	if len(used) == 0 || slices.Equal(head.Charts, used) {
		return nil
	}
	head.Charts = used
	return e.store(ctx)
}

// askedOf tells a commit that somebody asked to be looked at again from the same
// before.
func (e *environment) askedOf(l *assess.Commit) string {
	return l.SHA + " " + l.Inputs() + " " + e.inbox.requestNow()
}

func (e *environment) read(ctx context.Context, head source.Head) (*assess.Commit, error) {
	if head.Untrusted != nil {
		return e.reader().Untrusted(ctx, head.SHA, head.Untrusted)
	}
	files, err := e.Files(head.SHA)
	if err != nil {
		return nil, err
	}
	l, err := e.reader().Read(ctx, files, head.SHA)
	if err != nil {
		return nil, err
	}
	e.postponeRead(l)
	return l, e.keepResolved(ctx, l)
}
