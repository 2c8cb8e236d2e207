package agent

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/xetys/tether/agent/assess"
	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/agent/observed"
	"github.com/xetys/tether/agent/rollout"
	"github.com/xetys/tether/apply/graph"
)

// active is the carrying out of a commit. It goes on while the loop looks after
// the releases that it leaves alone: a rollout that waits for ten minutes keeps
// no other release's drift waiting.
type active struct {
	*assess.Assessment
	jobs     []*job
	waits    context.Context         // ends when the waits are to end
	stop     context.CancelCauseFunc // ends them
	outcomes chan rollout.Outcome    // of releases, as they end
	done     chan struct{}           // closed when results are there
	idle     bool                    // nothing could be done
	results  map[string]graph.Result
	heeded   string // the newest head that was found not to concern it
}

// jobOf returns the job of a release; nil if it has none.
func (a *active) jobOf(key observed.Key) *job {
	for _, j := range a.jobs {
		if j.Key == key {
			return j
		}
	}
	return nil
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

// forget drops what was carried out, once that has ended.
func (r *rollouts) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.working = map[observed.Key]bool{}
	r.active, r.waitsFor, r.locks = nil, map[observed.Key]string{}, map[observed.Key]*sync.Mutex{}
}

func (r *rollouts) begin(a *active) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.active, r.working, r.waitsFor = a, map[observed.Key]bool{}, map[observed.Key]string{}
	for _, j := range a.jobs {
		if j.Acts() {
			r.working[j.Key] = j.Changes()
		}
	}
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

// settled waits until nothing is being carried out any more: who leads next must
// be the only one to write.
func (r *rollouts) settled() {
	if a := r.underWay(); a != nil {
		<-a.done
	}
	r.beside.Wait()
}

// lockOf returns the lock that whoever works on a release holds.
func (r *rollouts) lockOf(key observed.Key) *sync.Mutex {
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
func (r *rollouts) wait(key observed.Key, text string) {
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
		parts = append(parts, key.Name+": "+text)
	}
	slices.Sort(parts)
	return strings.Join(parts, "; ")
}

// rollouts are what is being carried out, and what that waits for. They are safe for
// concurrent use: each rollout has a goroutine of its own.
type rollouts struct {
	beside sync.WaitGroup // what goes on beside the looks

	mu        sync.Mutex
	active    *active                      // nil if nothing is carried out
	working   map[observed.Key]bool        // what something is done about: true if it is rolled out
	waitsFor  map[observed.Key]string      // what its rollouts wait for
	locks     map[observed.Key]*sync.Mutex // held by who works on a release
	published time.Time                    // when the ledger was last told what they wait for; the loop's
}

// rollsOut reports whether a release is in the middle of a rollout.
func (r *rollouts) rollsOut(key observed.Key) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.active != nil && r.working[key]
}

// worksOn reports whether something is being done about a release.
func (r *rollouts) worksOn(key observed.Key) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, works := r.working[key]
	return r.active != nil && works
}

// ended takes note that all is done about a release.
func (r *rollouts) ended(key observed.Key) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.working, key)
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

// justEnded returns the jobs whose rollouts have come to their end and are not in the
// ledger yet.
func (a *active) justEnded() []*job {
	var out []*job
	for _, j := range a.jobs {
		if j.unentered && j.outcome.Name != "" && j.outcome.Tells() {
			out = append(out, j)
		}
	}
	return out
}
