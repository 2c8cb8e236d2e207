package agent

import (
	"strings"

	"github.com/xetys/tether/agent/assess"
)

// retain ends the watches of what the environment does not refer to any more, and drops
// the releases that it does not list any more.
func (e *environment) retain(l *assess.Commit) {
	if l.Env == nil {
		return
	}
	e.Renderer.Retain(l.Env)
	used := e.agent.opts.Keys.References(e.Environment, e.agent.opts.Namespace)
	for _, r := range l.Env.Releases {
		for _, v := range r.ValuesFrom {
			used = append(used, v.Reference)
		}
	}
	e.References.Retain(used)
}

// reopen begins another entry for a commit that had its verdict, when what it refers
// to made other inputs of it.
func (e *environment) reopen(l *assess.Commit, moved []string) {
	before := e.ledger.Inputs
	e.ledger.Inputs = l.Inputs()
	head := e.ledger.Head()
	if before == "" || before == l.Inputs() || head == nil || !head.Verdict.Stands() {
		return
	}
	why := "values from outside of git changed"
	switch {
	case l.Untrusted != "":
		why = "it is not trusted any more"
	case len(moved) > 0:
		why = strings.Join(moved, ", ") + " changed"
	}
	e.ledger.Again(why, e.Now())
	e.retries.forget()
	e.log.Info("inputs changed without a commit", "commit", short(head.Commit.Commit), "reason", why)
}
