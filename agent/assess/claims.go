package assess

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"

	"github.com/xetys/tether/agent/observed"
	"github.com/xetys/tether/apply/record"
	"github.com/xetys/tether/render/config"
)

// claims is what the environments of a commit's tree list, by their names.
type claims struct {
	listed map[string][]observed.Key
	unread map[string][]byte // the text of an environment.yaml that can't be read to its end
}

// readClaims reads what environments list. One that can't be read to its end lists what can be
// read of it, and may list all that its text names.
func readClaims(files fs.FS) *claims {
	out := &claims{map[string][]observed.Key{}, map[string][]byte{}}
	folders, err := fs.ReadDir(files, "environments")
	if err != nil {
		return out // a tree without environments claims nothing
	}
	for _, f := range folders {
		env, err := config.Load(files, f.Name()) // what is wrong with it is its own agent's to say
		if err != nil {
			if raw, err := config.ReadFile(files, path.Join("environments", f.Name(), "environment.yaml"), config.MaxFile); err == nil {
				out.unread[f.Name()] = raw
			}
		}
		if env == nil {
			continue
		}
		out.listed[f.Name()] = []observed.Key{}
		for _, r := range env.Releases {
			out.listed[f.Name()] = append(out.listed[f.Name()], observed.Key{Namespace: r.Namespace, Name: r.Name})
		}
	}
	return out
}

// mayList reports whether an environment that can't be read may list a release.
func (c *claims) mayList(environment, release string) bool {
	raw, unread := c.unread[environment]
	return unread && bytes.Contains(raw, []byte(release))
}

// handOver enters into a job's state what the same commit does to the release in other
// environments: one that lists it now takes it over, and one that owns it and does not
// list it any more gives it up. Without that, a release that moves would be removed by the
// one before the other has it. One whose environment.yaml can't be read gives nothing up, and
// may be about to take what its text names. Of an environment that is not known nothing is, so
// that somebody has to confirm that it is no more.
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
		a.takeOver(l, j, last)
		return
	}
	for name, listed := range l.claims.listed {
		if name != a.Environment && a.sameRef(name) && slices.Contains(listed, j.Key) && (j.State.Taker == "" || name < j.State.Taker) {
			j.State.Taker = name
		}
	}
	if j.State.Taker == "" && a.Control.Confirmed != l.SHA {
		a.keepForUnread(l, j)
	}
}

// takeOver enters whether the environment that owns a release gave it up at this commit.
func (a *Assessor) takeOver(l *Commit, j *Release, last *record.Record) {
	listed, exists := l.claims.listed[last.Environment]
	if l.claims.mayList(last.Environment, j.Key.Name) {
		j.State.Unread = true
		return
	}
	_, kept := a.Refs[last.Environment]
	if known := exists || kept; !known && a.Control.Confirmed != l.SHA { // another repository may have it
		j.State.Confirm = fmt.Sprintf("tether sync %s --confirm %.7s", a.Environment, l.SHA)
		return
	}
	j.State.Given = a.sameRef(last.Environment) && !slices.Contains(listed, j.Key)
	j.State.Busy = a.formerAtWork(last, j.State.Given)
}

// keepForUnread keeps a release that is not listed any more while another environment, which
// can't be read, may be the one that takes it over: a slip there must not have it removed here.
func (a *Assessor) keepForUnread(l *Commit, j *Release) {
	for _, name := range slices.Sorted(maps.Keys(l.claims.unread)) {
		if name != a.Environment && a.sameRef(name) && l.claims.mayList(name, j.Key.Name) {
			j.State = j.State.KeepCurrent(fmt.Sprintf("environments/%s/environment.yaml names it, and can't be read: it is removed once that is mended and does not list it, or once you confirm it with tether sync %s --confirm %.7s",
				name, a.Environment, l.SHA))
			return
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
