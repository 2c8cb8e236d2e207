package deploy

import (
	"slices"
	"strings"
	"sync"

	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/agent/observed"
)

// Rollouts are an environment's rollouts under way, and what they wait for. They are safe for
// concurrent use: each rollout has a goroutine of its own. The zero value has to be Cleared
// before it is used.
type Rollouts struct {
	Background sync.WaitGroup // what goes on beside the deploy

	mu       sync.Mutex
	current  *Deploy                      // nil if there is none
	working  map[observed.Key]bool        // releases that something is done about: true if they are rolled out
	waitsFor map[observed.Key]string      // what the rollouts wait for
	locks    map[observed.Key]*sync.Mutex // held by who works on a release
}

// Clear drops the deploy, once it has ended.
func (r *Rollouts) Clear() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.working = map[observed.Key]bool{}
	r.current, r.waitsFor, r.locks = nil, map[observed.Key]string{}, map[observed.Key]*sync.Mutex{}
}

// Begin makes a deploy the current one.
func (r *Rollouts) Begin(d *Deploy) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.current, r.working, r.waitsFor = d, map[observed.Key]bool{}, map[observed.Key]string{}
	for _, j := range d.Jobs {
		if j.Acts() {
			r.working[j.Key] = j.Changes()
		}
	}
}

// End leaves no deploy the current one.
func (r *Rollouts) End() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.current = nil
}

// Current returns the deploy that is under way, or has ended and is not concluded; nil if there
// is none.
func (r *Rollouts) Current() *Deploy {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.current
}

// Stop ends the waits of the current deploy, if there is one.
func (r *Rollouts) Stop(why error) {
	if d := r.Current(); d != nil {
		d.Stop(why)
	}
}

// Wait returns when nothing is under way any more: who leads next must be the only one to write.
func (r *Rollouts) Wait() {
	if d := r.Current(); d != nil {
		<-d.Done
	}
	r.Background.Wait()
}

// LockOf returns the lock that is held by who works on a release.
func (r *Rollouts) LockOf(key observed.Key) *sync.Mutex {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.locks[key]
	if l == nil {
		l = &sync.Mutex{}
		r.locks[key] = l
	}
	return l
}

// SetWaiting enters what a rollout waits for; empty for nothing any more.
func (r *Rollouts) SetWaiting(key observed.Key, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.waitsFor, key)
	if text != "" {
		r.waitsFor[key] = text
	}
}

func (r *Rollouts) waitingFor() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var parts []string
	for key, text := range r.waitsFor {
		parts = append(parts, key.Name+": "+text)
	}
	slices.Sort(parts)
	return strings.Join(parts, "; ")
}

// RollsOut reports whether a release is in the middle of a rollout.
func (r *Rollouts) RollsOut(key observed.Key) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.current != nil && r.working[key]
}

// WorksOn reports whether something is being done about a release.
func (r *Rollouts) WorksOn(key observed.Key) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, works := r.working[key]
	return r.current != nil && works
}

// ended enters that nothing is done about a release any more.
func (r *Rollouts) ended(key observed.Key) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.working, key)
}

// Progress is the reason of a commit that is under way: what failed of it, and what its rollouts
// wait for.
func (r *Rollouts) Progress(entry *ledger.Entry) string {
	texts := entry.Failures()
	if waits := r.waitingFor(); waits != "" {
		texts = append(texts, waits)
	}
	return ledger.Shorten(strings.Join(texts, "; "))
}
