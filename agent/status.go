package agent

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/xetys/tether/apply"
	"github.com/xetys/tether/apply/record"
)

// Status is what `tether status ENV -o json` prints: a contract with other
// programs.
type Status struct {
	Environment   string          `json:"environment"`
	Repository    string          `json:"repository"`
	Branch        string          `json:"branch"`
	Head          *Commit         `json:"head"`
	Applied       *Commit         `json:"applied"`
	Verdict       Verdict         `json:"verdict"`
	Reason        string          `json:"reason"`
	SecondsBehind int64           `json:"secondsBehind"`
	Paused        *Paused         `json:"paused,omitempty"`
	Releases      []ReleaseStatus `json:"releases"`
}

// ReleaseStatus is one release of a Status.
type ReleaseStatus struct {
	Name         string        `json:"name"`
	Namespace    string        `json:"namespace"`
	Chart        string        `json:"chart"`
	ChartVersion string        `json:"chartVersion"`
	AppVersion   string        `json:"appVersion"`
	Revision     int           `json:"revision"`
	Commit       string        `json:"commit"`
	Status       string        `json:"status"`
	Healthy      bool          `json:"healthy"`
	Reason       string        `json:"reason"`
	BlockedBy    []string      `json:"blockedBy"`
	Drift        []ObjectDrift `json:"drift"`
	Paused       *Paused       `json:"paused,omitempty"`

	// Doubted says that its objects are healthy now, and that the agent did not find them
	// so when it looked, or could not look: Reason says why.
	Doubted bool `json:"-"`
}

// Paused says who paused an environment, or one release of it, and until when.
type Paused struct {
	By     string    `json:"by"`
	Reason string    `json:"reason"`
	Until  time.Time `json:"until"`
}

func pausedOf(p *Pause) *Paused {
	if p == nil {
		return nil
	}
	return &Paused{By: p.By, Reason: p.Reason, Until: p.Until}
}

// Revision is one record of a release, as `tether history ENV RELEASE` prints it.
type Revision struct {
	Revision     int       `json:"revision"`
	Commit       string    `json:"commit"`
	Status       string    `json:"status"`
	Action       string    `json:"action"`
	ChartVersion string    `json:"chartVersion"`
	AppVersion   string    `json:"appVersion"`
	Updated      time.Time `json:"updated"`
	Description  string    `json:"description"`
}

// ErrNoLedger says that no agent ever kept the environment in this cluster.
type ErrNoLedger struct{ Environment, Namespace string }

// Error says where the ledger was looked for.
func (e *ErrNoLedger) Error() string {
	return fmt.Sprintf("environment %s has no ledger in namespace %s: no agent kept it yet; if the agent keeps its ledgers elsewhere, give --namespace",
		e.Environment, e.Namespace)
}

// ReadLedger reads an environment's ledger, with the agent up or down.
func ReadLedger(ctx context.Context, c *apply.Cluster, namespace string) (*Ledger, error) {
	doc, err := c.ReadDocument(ctx, ledgerOf(c.Environment, namespace))
	if err != nil {
		return nil, err
	}
	if doc.Version == "" {
		return nil, &ErrNoLedger{c.Environment, namespace}
	}
	return ParseLedger(doc.Text)
}

// ReadStatus puts together what runs in an environment from its ledger, its
// releases' records and the objects' own state, with the agent up or down.
func ReadStatus(ctx context.Context, c *apply.Cluster, namespace string, now time.Time) (*Status, error) {
	l, err := ReadLedger(ctx, c, namespace)
	if err != nil {
		return nil, err
	}
	s := &Status{Environment: l.Environment, Repository: l.Repository, Branch: l.Branch, Applied: l.Applied, Releases: []ReleaseStatus{}}
	if head := l.Head(); head != nil {
		s.Head, s.Verdict, s.Reason = &head.Commit, head.Verdict, head.Reason
		s.SecondsBehind = secondsBehind(l, now)
	}
	control, err := ReadControl(ctx, c, namespace)
	if err != nil {
		return nil, err
	}
	s.Paused = pausedOf(control.paused("", now))
	histories := map[string]map[string][]*record.Record{}
	for _, r := range l.Releases {
		if histories[r.Namespace] == nil {
			if histories[r.Namespace], err = c.Records.List(ctx, r.Namespace); err != nil {
				return nil, err
			}
		}
		rs, err := releaseStatus(ctx, c, r, histories[r.Namespace][r.Name])
		if err != nil {
			return nil, err
		}
		rs.Paused = pausedOf(control.paused(r.Name, now))
		s.Releases = append(s.Releases, rs)
	}
	return s, nil
}

// secondsBehind is how long git has asked for something that the environment is
// not: since the oldest commit after the last one that was applied.
func secondsBehind(l *Ledger, now time.Time) int64 {
	var since time.Time
	for _, e := range slices.Backward(l.Entries) {
		if e.Verdict == Applied || e.Verdict == NoOp {
			break
		}
		since = e.Started
	}
	if since.IsZero() {
		return 0
	}
	return int64(now.Sub(since).Seconds())
}

func releaseStatus(ctx context.Context, c *apply.Cluster, r ReleaseState, history record.History) (ReleaseStatus, error) {
	s := ReleaseStatus{Name: r.Name, Namespace: r.Namespace, Reason: r.Reason, BlockedBy: []string{}, Drift: []ObjectDrift{}}
	s.BlockedBy = append(s.BlockedBy, r.BlockedBy...)
	s.Drift = append(s.Drift, r.Drift...)
	current := history.Current()
	if current == nil {
		if last := history.Last(); last != nil {
			s.Revision, s.Commit, s.Status = last.Revision, last.Commit, string(last.Status)
		}
		return s, nil
	}
	s.Chart, s.ChartVersion, s.AppVersion = current.ChartName(), current.ChartVersion(), current.AppVersion()
	s.Revision, s.Commit, s.Status = current.Revision, current.Commit, string(current.Status)
	rel, err := current.Manifest(c.Namespaced)
	if err != nil {
		return s, err
	}
	states, err := c.HealthNow(ctx, rel.Objects)
	if err != nil {
		return s, err
	}
	var why string
	if s.Healthy, why = healthy(states); why != "" {
		s.Reason = why
	}
	s.Doubted = s.Healthy && !r.Healthy
	return s, nil
}

// ReadRevisions returns the records of one release of the environment, newest
// first.
func ReadRevisions(ctx context.Context, c *apply.Cluster, namespace, release string) ([]Revision, error) {
	l, err := ReadLedger(ctx, c, namespace)
	if err != nil {
		return nil, err
	}
	if err := known(l, release); err != nil {
		return nil, err
	}
	i := slices.IndexFunc(l.Releases, func(r ReleaseState) bool { return r.Name == release })
	history, err := c.Records.History(ctx, l.Releases[i].Namespace, release)
	if err != nil {
		return nil, err
	}
	out := make([]Revision, 0, len(history))
	for _, r := range slices.Backward(history) {
		out = append(out, Revision{
			Revision: r.Revision, Commit: r.Commit, Status: string(r.Status), Action: string(r.Action),
			ChartVersion: r.ChartVersion(), AppVersion: r.AppVersion(), Updated: r.Updated().UTC(), Description: r.Description(),
		})
	}
	return out, nil
}
