package assess

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/xetys/tether/apply/record"
)

// recordable finds out in the preflight what would keep rollouts from being recorded: a
// record that is too large, or, asked once in each namespace, an API server that would
// not have it.
type recordable struct {
	mu    sync.Mutex
	asked map[string]bool // by namespace
}

func (r *recordable) first(namespace string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.asked[namespace] {
		return false
	}
	if r.asked == nil {
		r.asked = map[string]bool{}
	}
	r.asked[namespace] = true
	return true
}

func (r *recordable) check(ctx context.Context, a *Assessor, l *Commit, j *Release) error {
	action, begins := Actions[j.Decision.Act]
	if !begins {
		return nil
	}
	rec := record.New(j.Manifest, j.State.History, action, a.Environment, l.SHA, a.Now())
	err := a.Cluster.Records.Check(ctx, rec, r.first(j.Key.Namespace))
	var large *record.TooLargeError
	if err == nil || errors.As(err, &large) {
		return err // which names the release
	}
	return fmt.Errorf("release %s: %w", j.Spec.Name, err)
}
