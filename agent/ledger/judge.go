package ledger

import (
	"slices"
	"strings"
)

// Behind is a release that is not what git asks for, and stays so.
type Behind struct{ Namespace, Name, Reason string }

// Judge returns the verdict of an entry that has been deployed as far as possible, from the
// outcomes of its releases and the reasons that hold others. An empty verdict means that the
// entry keeps its own.
func Judge(e *Entry, behind []Behind) (Verdict, string) {
	var failed, back, held []string
	acted := false
	for _, o := range e.Releases {
		text := o.Name + ": " + o.Reason
		switch Verdict(o.Outcome) {
		case Failed:
			failed = append(failed, text)
		case RolledBack:
			back = append(back, text)
		case Held:
			held = append(held, text)
		}
		acted = acted || o.EndsDeploy()
	}
	for _, b := range behind {
		told := func(o Outcome) bool { return o.of(Outcome{Namespace: b.Namespace, Name: b.Name}) && o.EndsDeploy() }
		if !slices.ContainsFunc(e.Releases, told) {
			held = append(held, b.Name+": "+b.Reason)
		}
	}
	switch {
	case len(failed) > 0:
		return Failed, strings.Join(slices.Concat(failed, back, held), "; ")
	case len(back) > 0:
		return RolledBack, strings.Join(slices.Concat(back, held), "; ")
	case len(held) > 0:
		return Held, strings.Join(held, "; ")
	case e.Verdict.Stands():
		return "", ""
	case acted:
		return Applied, e.Trigger
	}
	return NoOp, "no release's inputs changed"
}

// JudgeOlder returns the verdict of an entry that is no longer the newest and whose rollouts
// have ended: if it did not finish, it is superseded.
func JudgeOlder(e *Entry, head *Entry) (Verdict, string) {
	v, why := Judge(e, nil)
	complete := true
	for key := range e.Wants {
		namespace, name, _ := strings.Cut(key, "/")
		o := e.Outcome(namespace, name)
		complete = complete && o != nil && o.EndsDeploy()
	}
	if v == Failed || v == RolledBack || v == Applied && complete {
		return v, why
	}
	return Superseded, "superseded by " + head.Commit.Commit[:min(7, len(head.Commit.Commit))]
}
