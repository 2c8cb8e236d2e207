package ledger

import (
	"slices"
	"time"
)

// Delivery are the five metrics of dora.dev for one environment, computed from verdicts.
// docs/operations.md defines them.
type Delivery struct {
	Environment string    `json:"environment"`
	Since       time.Time `json:"since"`
	Until       time.Time `json:"until"`
	// Complete is false when the ledger does not reach back to Since.
	Complete bool `json:"complete"`
	// Deployments are commits whose rollout of a release ended, well or not.
	Deployments    int     `json:"deployments"`
	DeploysPerDay  float64 `json:"deploymentsPerDay"`
	LeadTime       *int64  `json:"leadTimeSeconds"` // median; null if nothing was applied
	Failed         int     `json:"failed"`
	ChangeFailRate float64 `json:"changeFailRate"` // of deployments
	RecoveryTime   *int64  `json:"recoveryTimeSeconds"`
	// Unrecovered are failed deployments that nothing has mended yet.
	Unrecovered int     `json:"unrecovered"`
	Rework      int     `json:"rework"`
	ReworkRate  float64 `json:"reworkRate"` // of deployments
}

// deployment is a commit that was rolled out.
type deployment struct {
	*Entry
	ended  time.Time
	failed bool
	rework bool
	mended time.Time // zero while it is not
}

// Deliver computes an environment's metrics over the entries, oldest first, whose
// rollouts ended from since to now; since the first of them if since is zero.
func Deliver(environment string, entries []Entry, since, now time.Time) Delivery {
	if since.IsZero() {
		if since = now; len(entries) > 0 {
			since = entries[0].Started
		}
	}
	d := Delivery{Environment: environment, Since: since.UTC().Truncate(time.Second), Until: now.UTC().Truncate(time.Second)}
	d.Complete = len(entries) < maxEntries || !entries[0].Started.After(since)
	var leads, recoveries []time.Duration
	for _, x := range deployments(entries) {
		if x.ended.Before(since) || x.ended.After(now) {
			continue
		}
		d.Deployments++
		if x.Verdict == Applied && x.Trigger == "" {
			leads = append(leads, max(0, x.ended.Sub(x.Time)))
		}
		if x.rework {
			d.Rework++
		}
		if !x.failed {
			continue
		}
		d.Failed++
		if x.mended.IsZero() {
			d.Unrecovered++
			continue
		}
		recoveries = append(recoveries, max(0, x.mended.Sub(x.broke())))
	}
	d.LeadTime, d.RecoveryTime = median(leads), median(recoveries)
	if d.Deployments > 0 {
		d.ChangeFailRate = float64(d.Failed) / float64(d.Deployments)
		d.ReworkRate = float64(d.Rework) / float64(d.Deployments)
	}
	if days := now.Sub(since).Hours() / 24; days > 0 {
		d.DeploysPerDay = float64(d.Deployments) / days
	}
	return d
}

// broke is since when a failed deployment did harm: since its rollout began, or, if it
// was healthy and undone later, since it was live.
func (x *deployment) broke() time.Time {
	if x.Verdict == Applied {
		return x.ended
	}
	return x.Started
}

// deployments picks the entries whose rollouts ended, and says of each whether it failed,
// when that was mended, and whether it was made for that.
func deployments(entries []Entry) []*deployment {
	var out []*deployment
	for i := range entries {
		e := &entries[i]
		if !e.deployed() {
			continue
		}
		x := &deployment{Entry: e, ended: *e.Finished, failed: e.Verdict == Failed || e.Verdict == RolledBack}
		if e.Verdict == RolledBack {
			x.mended = x.ended // what ran before runs again
		}
		x.mends(out)
		out = append(out, x)
	}
	return out
}

// deployed reports whether a rollout of a release ended for the commit.
func (e *Entry) deployed() bool {
	if e.Finished == nil || e.Verdict != Applied && e.Verdict != Failed && e.Verdict != RolledBack {
		return false
	}
	return slices.ContainsFunc(e.Releases, func(o Outcome) bool {
		return o.EndsDeploy() && o.Action != "none" && o.Outcome != string(Held) && o.Outcome != string(Superseded)
	})
}

// mends has a deployment count for those before it: it is rework if it undoes one, or
// comes next after one of the same release that failed.
func (x *deployment) mends(before []*deployment) {
	for _, o := range x.Releases {
		if !o.EndsDeploy() {
			continue
		}
		undoes := map[string]bool{}
		if o.Outcome == string(Applied) { // else it went back by itself
			for _, commit := range o.Undoes {
				undoes[commit] = true
			}
		}
		next := true
		for _, b := range slices.Backward(before) {
			i := slices.IndexFunc(b.Releases, func(p Outcome) bool { return p.of(o) && p.EndsDeploy() })
			if i < 0 {
				continue
			}
			failed := b.Releases[i].Outcome == string(Failed) || b.Releases[i].Outcome == string(RolledBack)
			undone := undoes[b.Commit.Commit]
			if undone && b.Commit.Commit != x.Commit.Commit {
				b.failed = true
			}
			if undone || next && failed {
				x.rework = true
			}
			if b.failed && b.mended.IsZero() && (undone || failed) && o.Outcome == string(Applied) {
				b.mended = x.ended
			}
			next = false
		}
	}
}

func median(all []time.Duration) *int64 {
	if len(all) == 0 {
		return nil
	}
	slices.Sort(all)
	n := len(all)
	m := int64(((all[(n-1)/2] + all[n/2]) / 2).Seconds())
	return &m
}
