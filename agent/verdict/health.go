package verdict

import (
	"context"
	"time"

	"github.com/xetys/tether/agent/deploy"
	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/agent/observed"
	"github.com/xetys/tether/agent/report"
	"github.com/xetys/tether/apply/record"
)

// observe judges a release's health now, and notes if it is another than its rollout came to: the
// reporter tells that once it has lasted. It changes no verdict.
func (s *Releases) observe(key observed.Key, b *observed.Baseline) (bool, string) {
	how, why := ledger.ConditionOf(s.Cluster.Judge.Health(b.Lasting))
	why = s.Veil.Text(why)
	r := s.Ledger.Release(key.Namespace, key.Name)
	history, now := s.Observed.Histories.History(key), s.Now()
	last := history.Last()
	if r == nil || last == nil || history.Pending() != nil {
		return how == ledger.ConditionHealthy, why // its rollout comes to a verdict, which says it
	}
	if declines(r, last) {
		d := r.Decline
		next, turned := d.Next(how, now, s.UnhealthyAfter)
		if r.Decline = next; turned && next != nil {
			s.turns = append(s.turns, report.HealthChange{Namespace: key.Namespace, Release: key.Name, Since: next.Since, Reason: why})
		} else if turned {
			s.turns = append(s.turns, report.HealthChange{Namespace: key.Namespace, Release: key.Name, Since: d.Since, Recovered: d.Mended})
		}
	} else {
		r.Decline = nil
	}
	r.HealthRevision, r.Healthy = last.Revision, how == ledger.ConditionHealthy
	return r.Healthy, why
}

// declines reports whether a release that is not healthy is news: it was healthy, since its last
// rollout ended. A rollout that failed was reported by its verdict.
func declines(r *ledger.Release, last *record.Record) bool {
	switch {
	case last.Outcome != record.Failed, r.Healthy && r.HealthRevision == last.Revision:
		return true
	}
	d := r.Decline
	return d != nil && (d.Notified || d.Since.After(last.Updated()) && r.HealthRevision == last.Revision)
}

// reportHealthChanges enters the turns of health that observe noted into the ledger, to be reported.
func (s *Releases) reportHealthChanges() bool {
	news := len(s.turns) > 0
	s.Reporter.Health(s.Ledger, s.turns)
	for _, t := range s.turns {
		act := ledger.Act{Kind: ledger.Unhealthy, At: t.Since, Release: t.Release, Reason: t.Reason}
		if !t.Recovered.IsZero() {
			act.Kind, act.At, act.Reason = ledger.Recovered, t.Recovered, "not healthy since "+t.Since.UTC().Format(time.RFC3339)
		}
		s.Ledger.AddAct(act)
	}
	s.turns = nil
	return news
}

// UpdateHealth enters the health of those releases that nothing is being done about, while a
// deploy is under way, which may take long.
func (s *Releases) UpdateHealth(ctx context.Context, d *deploy.Deploy, rollouts *deploy.Rollouts) error {
	news := false
	for _, j := range d.Jobs {
		b, r := s.Observed.Baselines.Of(j.Key), s.Ledger.Release(j.Key.Namespace, j.Key.Name)
		if b == nil || r == nil || rollouts.WorksOn(j.Key) {
			continue
		}
		was := r.Healthy
		ok, why := s.observe(j.Key, b)
		if r.Healthy = ok; !ok {
			r.Reason = ledger.Shorten(why)
		} else if !was {
			r.Reason = ""
		}
		s.Reporter.ShowHealth(r.Name, r.Healthy, r.Unhealthy())
		news = news || was != r.Healthy
	}
	if s.reportHealthChanges() || news {
		return s.Publish(ctx)
	}
	return nil
}

// saveEvery is how often the ledger says what a rollout waits for.
const saveEvery = 3 * time.Second

// SaveProgress stores what the rollouts under way wait for, and what became of those that have
// ended, so that whoever asks is told: others may be held for days. It stores at most every three
// seconds.
func (s *Releases) SaveProgress(ctx context.Context, d *deploy.Deploy, rollouts *deploy.Rollouts) error {
	now := s.Now()
	if now.Before(s.saved.Add(saveEvery)) {
		return nil
	}
	ended := d.Unsaved()
	s.Merge(ended)
	for _, j := range ended {
		j.Unsaved = false
		if r := s.Ledger.Release(j.Key.Namespace, j.Key.Name); r != nil && j.Prepared != nil { // new ones, and those that leave, are entered with all
			*r = s.describe(ctx, j)
		}
	}
	news := len(ended) > 0
	for _, entry := range append(s.Ledger.Open(), s.Ledger.Head()) {
		if text := rollouts.Progress(entry); entry.Verdict == ledger.Progressing && entry.Reason != text {
			entry.SetVerdict(ledger.Progressing, text, now)
			news = true
		}
	}
	if !news {
		return nil
	}
	s.saved = now
	return s.Store(ctx)
}

// ProgressDue returns when progress is to be stored next; zero if there is none.
func (s *Releases) ProgressDue(d *deploy.Deploy, rollouts *deploy.Rollouts) time.Time {
	head := s.Ledger.Head()
	if len(d.Unsaved()) > 0 || head.Verdict == ledger.Progressing && rollouts.Progress(head) != head.Reason {
		return s.saved.Add(saveEvery)
	}
	return time.Time{}
}
