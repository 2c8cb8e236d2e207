package agent

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"helm.sh/helm/v3/pkg/release"

	"github.com/xetys/tether/agent/decide"
	"github.com/xetys/tether/apply"
	"github.com/xetys/tether/apply/apierror"
	"github.com/xetys/tether/apply/record"
	"github.com/xetys/tether/render/manifest"
)

// readHistories reads the records of all namespaces that the environment has
// to do with, each once, until somebody else writes one there. While a commit is carried
// out, what is known stays: its rollouts go by that, and what others wrote is read then.
func (e *environment) readHistories(ctx context.Context, l *loaded) error {
	if err := seal(ctx, e); err != nil {
		return err
	}
	namespaces := map[string]bool{}
	for _, t := range l.targets {
		namespaces[t.spec.Namespace] = true
	}
	for _, r := range e.ledger.Releases {
		namespaces[r.Namespace] = true
	}
	for ns := range namespaces {
		if e.histories.known(ns) || e.histories.isWatched(ns) && e.rollouts.underWay() != nil {
			continue
		}
		e.watchRecords(ctx, ns)
		e.histories.begin(ns)
		found, err := e.cluster.Records.List(ctx, ns)
		if err != nil {
			e.histories.unread(ns)
			return err
		}
		e.histories.replace(ns, found)
		for name, h := range found {
			e.tellDamage(ctx, name, h)
		}
		if err := e.findRemains(ctx, l, ns); err != nil {
			e.histories.unread(ns)
			return err
		}
	}
	return nil
}

// seal has records sealed, and told by their seals. An agent that may not have the key goes
// by what records say.
func seal(ctx context.Context, e *environment) error {
	if e.histories.sealed {
		return nil
	}
	err := apply.Seal(ctx, e.cluster, e.agent.opts.Namespace)
	if apierror.Forbidden(err) {
		e.log.Warn("records are not sealed: who may write Secrets beside a release can forge them; give the agent get and create of secrets in its own namespace", "error", err)
		err = nil
	}
	e.histories.sealed = err == nil
	return err
}

// findRemains finds what is there of releases whose records were deleted, or can't be read:
// what is to be done once only, before their first objects, is done, and what of them is no
// longer wanted is to go.
func (e *environment) findRemains(ctx context.Context, l *loaded, namespace string) error {
	unknown := map[releaseKey]bool{}
	consider := func(key releaseKey) {
		if key.namespace == namespace && unrecorded(e.histories.history(key)) {
			unknown[key] = true
		}
	}
	for _, t := range l.targets {
		consider(releaseKey{t.spec.Namespace, t.spec.Name})
	}
	for _, r := range e.ledger.Releases {
		consider(releaseKey{r.Namespace, r.Name})
	}
	found := map[releaseKey][]manifest.Object{}
	defer func() { e.histories.setRemains(namespace, found) }()
	if len(unknown) == 0 {
		return nil
	}
	remains, err := e.cluster.Remains(ctx, namespace)
	for key := range unknown {
		if objects := remains[key.name]; len(objects) > 0 {
			found[key] = objects
		}
	}
	return err
}

// unrecorded reports whether a release may run without a record of what runs.
func unrecorded(h record.History) bool {
	last := h.Last()
	switch {
	case h.Current() != nil || last != nil && last.Status == release.StatusUninstalling:
		return false
	case last == nil:
		return true
	}
	return h.Ran() || len(h.Damaged()) > 0 && last.Status != release.StatusUninstalled
}

// watchRecords has a namespace's records read again when somebody else writes or deletes
// one.
func (e *environment) watchRecords(ctx context.Context, namespace string) {
	if e.histories.watch(namespace) {
		return
	}
	err := e.cluster.Records.Watch(ctx, namespace, func() {
		e.histories.unread(namespace)
		e.inbox.trigger()
	}, func(err error) {
		e.log.Warn("what others write of releases shows at the next full scan only", "error", err)
	})
	if err != nil {
		e.log.Error("records can't be watched", "error", err)
	}
}

// tellDamage says once which records are set aside.
func (e *environment) tellDamage(ctx context.Context, name string, h record.History) {
	for _, r := range h.Damaged() {
		text := fmt.Sprintf("release %s: revision %d can't be read and is set aside: %s", name, r.Revision, r.Damage)
		if key := r.Namespace + " " + text; !e.bulletin.damaged[key] {
			e.bulletin.damaged[key] = true
			e.log.Warn("damaged record", "release", name, "revision", r.Revision, "reason", r.Damage)
			e.reporter.Say(ctx, "Warning", "Damaged", text)
		}
	}
}

// settleRecords leaves one record of each release that is called deployed: helm may have
// concluded its own while ours was concluded.
func (e *environment) settleRecords(ctx context.Context, jobs []*job) error {
	for _, j := range jobs {
		current := j.state.History.Current()
		if current == nil || current.Environment != e.name || j.state.Paused != "" {
			continue
		}
		for _, r := range j.state.History.Stray() {
			if err := e.cluster.Records.Supersede(ctx, r); err != nil {
				return err
			}
		}
	}
	return nil
}

// recordable finds out in the preflight what would keep rollouts from being recorded: a
// record that is too large, or, asked once in each namespace, an API server that would
// not have it.
type recordable struct {
	mu    sync.Mutex
	asked map[string]bool // by namespace
}

func (a *recordable) first(namespace string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.asked[namespace] {
		return false
	}
	if a.asked == nil {
		a.asked = map[string]bool{}
	}
	a.asked[namespace] = true
	return true
}

func (a *recordable) check(ctx context.Context, e *environment, l *loaded, j *job) error {
	action, begins := actions[j.decision.Act]
	if !begins {
		return nil
	}
	rec := record.New(j.release, j.state.History, action, e.name, l.commit, e.agent.opts.Now())
	err := e.cluster.Records.Check(ctx, rec, a.first(j.key.namespace))
	var large *record.TooLargeError
	if err == nil || errors.As(err, &large) {
		return err // which names the release
	}
	return fmt.Errorf("release %s: %w", j.spec.Name, err)
}

// actions are what the acts that write a record of their own are recorded as.
var actions = map[decide.Act]record.Action{decide.Install: record.Install, decide.Upgrade: record.Upgrade, decide.Rollback: record.Rollback}
