package assess

import (
	"fmt"
	"io/fs"
	"slices"

	"github.com/xetys/tether/agent/observed"
	"github.com/xetys/tether/apply/record"
	"github.com/xetys/tether/render/config"
)

// claims says which releases each environment of a commit's tree lists, by the
// environment's name. An environment that can't be read lists what can be read of it.
type claims map[string][]observed.Key

func readClaims(files fs.FS) claims {
	out := claims{}
	folders, err := fs.ReadDir(files, "environments")
	if err != nil {
		return out // a tree without environments claims nothing
	}
	for _, f := range folders {
		env, _ := config.Load(files, f.Name()) // what is wrong with it is its own agent's to say
		if env == nil {
			continue
		}
		out[f.Name()] = []observed.Key{}
		for _, r := range env.Releases {
			out[f.Name()] = append(out[f.Name()], observed.Key{Namespace: r.Namespace, Name: r.Name})
		}
	}
	return out
}

// handOver enters into a job's state what the same commit does to the release in other
// environments: one that lists it now takes it over, and one that owns it and does not
// list it any more gives it up. Without that, a release that moves would be removed by the
// one before the other has it. Of an environment that is not known nothing is, so that
// somebody has to confirm that it is no more.
func (a *Assessor) handOver(l *Commit, j *Release) {
	last := j.State.History.Last()
	if last == nil || l.files == nil {
		return
	}
	foreign := last.Environment != "" && last.Environment != a.Environment
	if foreign == !j.State.Listed {
		return // it is ours and stays, or another's and not asked for
	}
	if l.claims == nil {
		l.claims = readClaims(l.files)
	}
	if foreign {
		listed, exists := l.claims[last.Environment]
		_, kept := a.Refs[last.Environment]
		if known := exists || kept; !known && a.Control.Confirmed != l.SHA { // another repository may have it
			j.State.Confirm = fmt.Sprintf("tether sync %s --confirm %.7s", a.Environment, l.SHA)
			return
		}
		j.State.Given = a.sameRef(last.Environment) && !slices.Contains(listed, j.Key)
		j.State.Busy = a.formerAtWork(last, j.State.Given)
		return
	}
	for name, listed := range l.claims {
		if name != a.Environment && a.sameRef(name) && slices.Contains(listed, j.Key) && (j.State.Taker == "" || name < j.State.Taker) {
			j.State.Taker = name
		}
	}
}

// formerAtWork says that the environment which gave a release up is still in the middle of
// a rollout of it; empty if it is not, or should have ended it by now.
func (a *Assessor) formerAtWork(last *record.Record, given bool) string {
	until := last.Deadline
	if until.IsZero() {
		until = last.Begun().Add(helmPatience)
	}
	now := a.Now()
	if !given || !last.Status.IsPending() || !now.Before(until) {
		return ""
	}
	a.passAfter(until)
	return fmt.Sprintf("environment %s is in the middle of revision %d", last.Environment, last.Revision)
}
