package agent

import (
	"context"
	"fmt"
	"io/fs"
	"slices"

	"helm.sh/helm/v3/pkg/release"

	"github.com/xetys/tether/apply/record"
	"github.com/xetys/tether/render"
)

// claims says which releases each environment of a commit's tree lists, by the
// environment's name. An environment that can't be read lists what can be read of it.
type claims map[string][]releaseKey

func readClaims(files fs.FS) claims {
	out := claims{}
	folders, err := fs.ReadDir(files, "environments")
	if err != nil {
		return out // a tree without environments claims nothing
	}
	for _, f := range folders {
		env, _ := render.LoadEnvironment(files, f.Name()) // what is wrong with it is its own agent's to say
		if env == nil {
			continue
		}
		out[f.Name()] = []releaseKey{}
		for _, r := range env.Releases {
			out[f.Name()] = append(out[f.Name()], releaseKey{r.Namespace, r.Name})
		}
	}
	return out
}

// handOver enters into a job's state what the same commit does to the release in other
// environments: one that lists it now takes it over, and one that owns it and does not
// list it any more gives it up. Without that, a release that moves would be removed by the
// one before the other has it.
func (e *environment) handOver(l *loaded, j *job) {
	last := j.state.History.Last()
	if last == nil || l.files == nil {
		return
	}
	foreign := last.Environment != "" && last.Environment != e.name
	if foreign == !j.state.Listed {
		return // it is ours and stays, or another's and not asked for
	}
	if l.claims == nil {
		l.claims = readClaims(l.files)
	}
	if foreign {
		listed, exists := l.claims[last.Environment]
		_, kept := e.agent.opts.Refs[last.Environment]
		j.state.Given = (exists || kept) && e.sameRef(last.Environment) && !slices.Contains(listed, j.key)
		j.state.Busy = e.formerAtWork(last, j.state.Given)
		return
	}
	for name, listed := range l.claims {
		if name != e.name && e.sameRef(name) && slices.Contains(listed, j.key) && (j.state.Taker == "" || name < j.state.Taker) {
			j.state.Taker = name
		}
	}
}

// formerAtWork says that the environment which gave a release up is still in the middle of
// a rollout of it; empty if it is not, or should have ended it by now.
func (e *environment) formerAtWork(last *record.Record, given bool) string {
	until := last.Deadline
	if until.IsZero() {
		until = last.Begun().Add(helmPatience)
	}
	now := e.agent.opts.Now()
	if !given || !last.Status.IsPending() || !now.Before(until) {
		return ""
	}
	e.retries.busy(until, now)
	return fmt.Sprintf("environment %s is in the middle of revision %d", last.Environment, last.Revision)
}

// yield concludes what the environment began of releases that another one takes over, which
// waits for that. Nothing is under way any more.
func (e *environment) yield(ctx context.Context, jobs []*job) error {
	for _, j := range jobs {
		p := j.state.History.Pending()
		if p == nil || j.state.Taker == "" || j.state.Paused != "" {
			continue
		}
		why := fmt.Sprintf("given up: environment %s takes the release over", j.state.Taker)
		if err := e.cluster.Records.Conclude(ctx, p, record.Abandoned, release.StatusFailed, why); err != nil {
			return err
		}
	}
	return nil
}

// sameRef reports whether another environment follows the same ref, as far as this agent
// knows: else its files of this commit say nothing about it.
func (e *environment) sameRef(other string) bool {
	ref, known := e.agent.opts.Refs[other]
	return !known || ref == e.ref
}
