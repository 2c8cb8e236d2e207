// Package status computes the status of an environment, for people and programs: from its
// ledger, its records, its Lease and the state of its objects.
//
// It does not know the agent: the status is the same whether one runs or not. It writes nothing.
package status

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/apply"
	"github.com/xetys/tether/apply/record"
	"github.com/xetys/tether/render/manifest"
	"github.com/xetys/tether/render/mask"
)

// Status is what `tether status ENV -o json` prints: a contract with other
// programs.
type Status struct {
	Overview
	Releases []ReleaseStatus `json:"releases"`
	// HealthRules are the kinds for which the environment has rules of its own on health.
	HealthRules []string `json:"healthRules,omitempty"`
	// RulesUnread says why health was judged without them; left out if it was not.
	RulesUnread string `json:"rulesUnread,omitempty"`
}

// ReleaseStatus is one release of a Status.
type ReleaseStatus struct {
	Name         string `json:"name"`
	Namespace    string `json:"namespace"`
	Chart        string `json:"chart"`
	ChartVersion string `json:"chartVersion"`
	AppVersion   string `json:"appVersion"`
	// Images are those of the manifest that runs.
	Images   []string `json:"images"`
	Revision int      `json:"revision"`
	// Commit is the commit whose content runs: after a release went back by itself, that of
	// the content that it went back to.
	Commit    string   `json:"commit"`
	Status    string   `json:"status"`
	Healthy   bool     `json:"healthy"`
	Reason    string   `json:"reason"`
	BlockedBy []string `json:"blockedBy"`
	DependsOn []string `json:"dependsOn,omitempty"`
	Drift     []Drift  `json:"drift"`
	Paused    *Paused  `json:"paused,omitempty"`
	// BehindSince is since when it is not what git asks for; left out if it is.
	BehindSince time.Time `json:"behindSince,omitzero"`

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

func pausedOf(p *ledger.Pause) *Paused {
	if p == nil {
		return nil
	}
	return &Paused{By: p.By, Reason: p.Reason, Until: seconds(p.Until)}
}

// Revision is one record of a release, as `tether history ENV RELEASE` prints it.
type Revision struct {
	Revision     int       `json:"revision"`
	Commit       string    `json:"commit"`
	Status       string    `json:"status"`
	Action       string    `json:"action"`
	ChartVersion string    `json:"chartVersion"`
	AppVersion   string    `json:"appVersion"`
	Updated      time.Time `json:"updated,omitzero"` // left out if nobody knows
	Description  string    `json:"description"`
}

// Read puts together what runs in an environment from its ledger, its
// releases' records and the objects' own state, with the agent up or down.
func Read(ctx context.Context, c *apply.Cluster, namespace string, now time.Time) (*Status, error) {
	l, err := ledger.Read(ctx, c, namespace)
	if err != nil {
		return nil, err
	}
	c.KnowSeal(ctx, namespace)
	sum, control, err := summary(ctx, c, l, namespace, now)
	if err != nil {
		return nil, err
	}
	s := &Status{Overview: sum.Overview, Releases: []ReleaseStatus{}, HealthRules: l.HealthRules}
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
		rs.Paused = pausedOf(control.Paused(r.Name, now))
		s.Releases = append(s.Releases, rs)
	}
	return s, nil
}

// Known tells of an environment what its ledger alone knows, without reading records and
// objects: images, commits and revisions are empty, and health is as the agent last saw it.
func Known(ctx context.Context, c *apply.Cluster, namespace string, now time.Time) (*Status, error) {
	l, err := ledger.Read(ctx, c, namespace)
	if err != nil {
		return nil, err
	}
	sum, control, err := summary(ctx, c, l, namespace, now)
	if err != nil {
		return nil, err
	}
	s := &Status{Overview: sum.Overview, Releases: []ReleaseStatus{}, HealthRules: l.HealthRules}
	for _, r := range l.Releases {
		rs := known(r)
		rs.Healthy, rs.Paused = r.Healthy, pausedOf(control.Paused(r.Name, now))
		s.Releases = append(s.Releases, rs)
	}
	return s, nil
}

// known is what the ledger knows of a release, but its health.
func known(r ledger.Release) ReleaseStatus {
	s := ReleaseStatus{Name: r.Name, Namespace: r.Namespace, Reason: r.Reason, Images: []string{}, BlockedBy: []string{}, DependsOn: r.DependsOn, Drift: []Drift{}, BehindSince: seconds(r.Behind)}
	s.BlockedBy = append(s.BlockedBy, r.BlockedBy...)
	for _, d := range r.Drift {
		s.Drift = append(s.Drift, ShownDrift(d))
	}
	return s
}

func releaseStatus(ctx context.Context, c *apply.Cluster, r ledger.Release, history record.History) (ReleaseStatus, error) {
	s := known(r)
	s.Reason = cmp.Or(s.Reason, damageOf(history))
	runs := history.Running()
	if runs == nil {
		if last := history.Last(); last != nil {
			s.Revision, s.Commit, s.Status = last.Revision, last.Commit, string(last.Status)
		}
		return s, nil
	}
	s.Chart, s.ChartVersion, s.AppVersion = runs.ChartName(), runs.ChartVersion(), runs.AppVersion()
	s.Revision, s.Commit, s.Status = runs.Revision, history.Content(runs), string(runs.Status)
	rel, err := runs.Manifest(c.Namespaced)
	if err != nil {
		s.Reason = err.Error()
		return s, nil // it says nothing of the other releases
	}
	s.Images = manifest.Images(rel.Objects)
	states, err := c.Judge.Now(ctx, rel.Objects)
	if err != nil && ctx.Err() != nil {
		return s, err
	}
	if err != nil { // a kind that can't be read, for who asks or for now, says nothing of the others
		s.Healthy, s.Reason = false, err.Error()
		return s, nil
	}
	how, why := ledger.ConditionOf(states)
	if s.Healthy = how == ledger.ConditionHealthy; why != "" {
		s.Reason = discreet(why, r, runs)
	}
	s.Doubted = s.Healthy && !r.Healthy
	if runs.Outcome == record.Failed {
		s.Reason = strings.TrimSuffix(fmt.Sprintf("revision %d failed, and is live: %s", runs.Revision, s.Reason), ": ")
	}
	return s, nil
}

// discreet returns why a release is not healthy. Where secrets went into it, what pods say
// of themselves may hold them: then it is what the agent says, who knows them, or else
// the words of it that are known to all.
func discreet(why string, r ledger.Release, runs *record.Record) string {
	switch {
	case runs.Plain || !runs.Ours():
		return why
	case !r.Healthy && r.Reason != "":
		return r.Reason
	}
	known := mask.NewWords()
	known.Read(r.Name + " " + r.Namespace + " " + runs.ChartName())
	return mask.Only(why, known)
}

// ReadRevisions returns the records of one release of the environment, newest
// first.
func ReadRevisions(ctx context.Context, c *apply.Cluster, namespace, release string) ([]Revision, error) {
	l, err := ledger.Read(ctx, c, namespace)
	if err != nil {
		return nil, err
	}
	if err := l.Known(release); err != nil {
		return nil, err
	}
	i := slices.IndexFunc(l.Releases, func(r ledger.Release) bool { return r.Name == release })
	history, err := c.Records.History(ctx, l.Releases[i].Namespace, release)
	if err != nil {
		return nil, err
	}
	out := make([]Revision, 0, len(history))
	for _, r := range slices.Backward(history) {
		one := Revision{
			Revision: r.Revision, Commit: r.Commit, Status: string(r.Status), Action: string(r.Action),
			ChartVersion: r.ChartVersion(), AppVersion: r.AppVersion(), Updated: seconds(r.Updated()), Description: r.Description(),
		}
		if r.Damage != "" {
			one.Description = "set aside: " + r.Damage
		}
		out = append(out, one)
	}
	return out, nil
}

// damageOf says which records of a history can't be read; empty if all can.
func damageOf(h record.History) string {
	var parts []string
	for _, r := range h.Damaged() {
		parts = append(parts, fmt.Sprintf("the record of revision %d is set aside: %s", r.Revision, r.Damage))
	}
	return strings.Join(parts, "; ")
}
