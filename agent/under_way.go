package agent

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/apply/graph"
)

// active is the carrying out of a commit. It goes on while the loop looks after
// the releases that it leaves alone: a rollout that waits for ten minutes keeps
// no other release's drift waiting.
type active struct {
	load     *loaded
	jobs     []*job
	refusals []string
	trouble  error                   // why what changes could not be surveyed
	waits    context.Context         // ends when the waits are to end
	stop     context.CancelCauseFunc // ends them
	done     chan struct{}           // closed when results are there
	idle     bool                    // nothing could be done
	results  map[string]graph.Result
	under    map[releaseKey]*undertaking // the rollouts
	acts     map[releaseKey]bool         // that something is done about a release: the jobs are their goroutines'
	heeded   string                      // the newest head that was found not to concern it
}

// justEnded returns the jobs whose rollouts have come to their end and are not in the
// ledger yet: their goroutines are done with what became of them.
func (a *active) justEnded() []*job {
	var out []*job
	for _, j := range a.jobs {
		if u := a.under[j.key]; u != nil && !u.entered && j.over.Load() && j.outcome.Name != "" && j.outcome.Tells() {
			out = append(out, j)
		}
	}
	return out
}

// ended reports whether all that was begun has come to its end.
func (a *active) ended() bool {
	select {
	case <-a.done:
		return true
	default:
		return false
	}
}

// errInterrupted ends the waits of what is carried out, so that it is decided
// anew: nothing is wrong with it.
var errInterrupted = errors.New("interrupted")

type interruption struct{ text string }

func (i *interruption) Error() string { return i.text }

// Is makes every interruption an errInterrupted.
func (i *interruption) Is(target error) bool { return target == errInterrupted }

var (
	errSuperseded error = &interruption{"a newer commit has come"}
	errPaused     error = &interruption{"it was paused"}
)

// rollouts are what is being carried out, and what that waits for. They are safe for
// concurrent use: each rollout has a goroutine of its own.
type rollouts struct {
	beside sync.WaitGroup // what goes on beside the looks

	mu        sync.Mutex
	active    *active                    // nil if nothing is carried out
	waitsFor  map[releaseKey]string      // what its rollouts wait for
	locks     map[releaseKey]*sync.Mutex // held by who works on a release
	published time.Time                  // when the ledger was last told what they wait for; the loop's
}

// forget drops what was carried out, once that has ended.
func (r *rollouts) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.active, r.waitsFor, r.locks = nil, map[releaseKey]string{}, map[releaseKey]*sync.Mutex{}
}

func (r *rollouts) begin(a *active) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.active, r.waitsFor = a, map[releaseKey]string{}
}

func (r *rollouts) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.active = nil
}

func (r *rollouts) underWay() *active {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.active
}

// stop ends the waits of what is carried out, if anything is.
func (r *rollouts) stop(why error) {
	if a := r.underWay(); a != nil {
		a.stop(why)
	}
}

// rollsOut reports whether a release is in the middle of a rollout.
func (r *rollouts) rollsOut(key releaseKey) bool {
	a := r.underWay()
	if a == nil {
		return false
	}
	u, ok := a.under[key]
	return ok && !u.over.Load()
}

// settled waits until nothing is being carried out any more: who leads next must
// be the only one to write.
func (r *rollouts) settled() {
	if a := r.underWay(); a != nil {
		<-a.done
	}
	r.beside.Wait()
}

// lockOf returns the lock that whoever works on a release holds.
func (r *rollouts) lockOf(key releaseKey) *sync.Mutex {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.locks[key]
	if l == nil {
		l = &sync.Mutex{}
		r.locks[key] = l
	}
	return l
}

// wait takes note of what a rollout waits for; empty for nothing any more.
func (r *rollouts) wait(key releaseKey, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.waitsFor, key)
	if text != "" {
		r.waitsFor[key] = text
	}
}

func (r *rollouts) waitingFor() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var parts []string
	for key, text := range r.waitsFor {
		parts = append(parts, key.name+": "+text)
	}
	slices.Sort(parts)
	return strings.Join(parts, "; ")
}

// soFar is the reason of a commit that is under way: what failed of it, and what its
// rollouts wait for.
func (r *rollouts) soFar(entry *ledger.Entry) string {
	texts := entry.Failures()
	if waits := r.waitingFor(); waits != "" {
		texts = append(texts, waits)
	}
	return ledger.Shorten(strings.Join(texts, "; "))
}
