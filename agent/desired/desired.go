// Package desired keeps what git asks for in an environment: the head's commit, read and
// prepared once, and again when an object that it refers to changes.
//
// It does not know what runs, and decides nothing.
package desired

import (
	"context"
	"log/slog"
	"strings"

	"github.com/xetys/tether/agent/assess"
	"github.com/xetys/tether/agent/inbox"
	"github.com/xetys/tether/agent/retry"
	"github.com/xetys/tether/agent/verdict"
	"github.com/xetys/tether/apply/health"
	"github.com/xetys/tether/render/manifest"
	"github.com/xetys/tether/source"
)

// Desired is what git asks for, as it was read last. It is for the loop alone.
type Desired struct {
	*assess.Site
	Inbox    *inbox.Inbox
	Verdicts *verdict.Writer
	Log      *slog.Logger
	Rules    *health.Rules       // the agent's own
	JudgeBy  func(*health.Rules) // is given the rules by which health is judged, with the environment's

	Commit *assess.Commit // the head's; nil before the first was read

	request string   // the last request of a person when Commit was begun to be read
	changed []string // references that changed, until the ledger says so
}

// Clear has the head read anew.
func (d *Desired) Clear() { d.Commit, d.request, d.changed = nil, "", nil }

// Load reads and prepares a commit's releases. A commit that was loaded is not read again, unless
// what it refers to in the cluster changed, or what it lacked may be there by now. What is wrong
// with the commit is in its Err and Away; an error is about the clone, the cluster or the ledger.
func (d *Desired) Load(ctx context.Context, head source.Head) (*assess.Commit, error) {
	changed := d.Inbox.TakeReferences()
	if l := d.Commit; l != nil && l.SHA == head.SHA && l.Untrusted == inbox.Reason(head.Untrusted) && len(changed) == 0 && !d.worthReading(l) {
		return l, nil
	}
	request := d.Inbox.Request()
	l, err := d.read(ctx, head)
	if err != nil {
		d.Inbox.AddReferences(changed...)
		return nil, err
	}
	d.changed = append(d.changed, changed...)
	if l.Away == nil { // else it is not known yet what its inputs are
		d.Verdicts.Reopen(l.Inputs(), why(l, d.changed))
		d.changed = nil
	}
	d.retain(l)
	d.Commit, d.request = l, request
	rules := d.Rules
	if l.InForce != nil {
		rules = l.InForce.Health.Then(rules)
	}
	d.JudgeBy(rules)
	return l, nil
}

// why says why the inputs of a commit are others than before.
func why(l *assess.Commit, changed []string) string {
	switch {
	case l.Untrusted != "":
		return "it is not trusted any more"
	case len(changed) > 0:
		return strings.Join(changed, ", ") + " changed"
	}
	return "values from outside of git changed"
}

// Asked tells a commit that somebody asked to be tried again from the same before.
func (d *Desired) Asked(l *assess.Commit) string {
	return l.SHA + " " + l.Inputs() + " " + d.Inbox.Request()
}

// worthReading reports whether a commit that was not good may be by now: somebody publishes a
// chart, or corrects a login; or says so.
func (d *Desired) worthReading(l *assess.Commit) bool {
	now := d.Now()
	switch {
	case l.Away != nil:
		return d.request != d.Inbox.Request() || !d.Verdicts.Retries.Away.Pending(now)
	case l.Err != nil:
		return d.Verdicts.Retries.Refusal.Known(d.Asked(l), now) == nil
	}
	return false
}

func (d *Desired) read(ctx context.Context, head source.Head) (*assess.Commit, error) {
	reader := &assess.Reader{Site: d.Site, Ledger: d.Verdicts.Ledger}
	if head.Untrusted != nil {
		return reader.Untrusted(ctx, head.SHA, head.Untrusted)
	}
	files, err := d.Files(head.SHA)
	if err != nil {
		return nil, err
	}
	l, err := reader.Read(ctx, files, head.SHA)
	if err != nil {
		return nil, err
	}
	d.postpone(l)
	return l, d.Verdicts.StorePins(ctx, l)
}

// postpone has a commit that lacks something read again later, the later the more often it was.
func (d *Desired) postpone(l *assess.Commit) {
	away := &d.Verdicts.Retries.Away
	if l.Away == nil {
		*away = retry.Retry{}
		return
	}
	in := away.Next()
	away.Err, away.Until = l.Away, d.Now().Add(in)
	d.Log.Warn("will try again", "error", l.Away, "in", retry.Rounded(in))
}

// retain ends the watches of what the environment does not refer to any more, and drops the
// releases that it does not list any more.
func (d *Desired) retain(l *assess.Commit) {
	if l.Env == nil {
		return
	}
	d.Renderer.Retain(l.Env)
	var used []manifest.Reference
	for _, r := range l.Env.Releases {
		for _, v := range r.ValuesFrom {
			used = append(used, v.Reference)
		}
	}
	d.References.Retain(used)
}
