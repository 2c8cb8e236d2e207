package agent

import (
	"time"

	"github.com/xetys/tether/agent/ledger"
)

// behindSince returns since when a release is not what git asks for: since the ledger
// says so, which survives a restart, or since the oldest commit came that asked for
// something else and is not live.
func (e *environment) behindSince(j *job) time.Time {
	if r := e.ledger.Release(j.key.namespace, j.key.name); r != nil && !r.Behind.IsZero() {
		return r.Behind
	}
	since := e.ledger.Head().Started
	if entry := e.ledger.Entry(j.commit); entry != nil {
		since = entry.Started
	}
	return since
}

// stand has the metrics tell that a release is behind as soon as its rollout begins: a
// rollout may take long, and the ledger's releases are described when it has ended.
func (e *environment) stand(jobs []*job) {
	for _, j := range jobs {
		if !j.changes() {
			continue
		}
		r := e.ledger.Release(j.key.namespace, j.key.name)
		if r == nil {
			e.ledger.Releases = append(e.ledger.Releases, ledger.Release{Name: j.key.name, Namespace: j.key.namespace, DependsOn: j.spec.DependsOn})
			r = e.ledger.Release(j.key.namespace, j.key.name)
		}
		r.Behind = e.behindSince(j)
		e.show(j, *r, r.Drift)
	}
}
