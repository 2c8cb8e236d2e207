package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/xetys/tether/apply"
)

// progressing puts into the ledger that work on the head has begun, so that who
// asks meanwhile is told.
func (e *environment) progressing(ctx context.Context, l *loaded, jobs []*job) {
	head := e.ledger.Head()
	if head.Verdict.stands() || !slices.ContainsFunc(jobs, (*job).changes) {
		return
	}
	head.conclude(Progressing, "", e.agent.opts.Now())
	if l.env != nil {
		e.ledger.Namespace = l.env.Namespace
	}
	if err := e.store(ctx); err != nil {
		// Not worth stopping a rollout for: the verdict is stored later, or fails.
		e.log.Warn("the ledger can't be written", "error", err)
	}
}

// conclude draws the verdict from what became of the jobs, and publishes it: to
// the ledger, events, metrics and log.
func (e *environment) conclude(ctx context.Context, a *active) error {
	l, jobs, refusals := a.load, a.jobs, a.refusals
	e.mu.Lock()
	e.active = nil
	e.mu.Unlock()
	a.stop(nil)
	again := e.settle(jobs, a.results)
	now := e.agent.opts.Now()
	head := e.ledger.Head()
	before, reason := head.Verdict, head.Reason
	head.Merge(outcomesOf(jobs))
	if again == nil && l.away != nil {
		again = fmt.Errorf("%w: %w", errAway, l.away)
	}
	if again == nil && e.goingBack(ctx, a) {
		again = errInterrupted // the others of an atomic environment follow at once
	}
	if v, why := e.judge(head, jobs, refusals, again); v != "" {
		head.conclude(v, why, now)
	}
	if l.env != nil {
		e.ledger.Namespace = l.env.Namespace
	}
	if head.Verdict == Applied || head.Verdict == NoOp {
		c := head.Commit
		e.ledger.Applied = &c
	}
	e.describeReleases(jobs)
	e.tell(ctx)
	if err := e.store(ctx); err != nil {
		return err
	}
	if head.Verdict != before || head.Reason != reason {
		e.announce(ctx, before)
	}
	if a.results != nil && !a.idle {
		e.trigger() // after acting, look again
	}
	if again != nil {
		return again
	}
	if head.Verdict == Refused {
		return errRefused
	}
	return nil
}

// goingBack reports whether a failure has just made other releases of an atomic
// environment go back.
func (e *environment) goingBack(ctx context.Context, a *active) bool {
	if a.results == nil || a.load.env == nil || !a.load.env.Atomic {
		return false
	}
	jobs, err := e.jobs(ctx, a.load)
	was := map[releaseKey]bool{}
	for _, j := range a.jobs {
		was[j.key] = j.state.Aborted != ""
	}
	return err == nil && slices.ContainsFunc(jobs, func(j *job) bool { return j.state.Aborted != "" && j.changes() && !was[j.key] })
}

// undecided says in the ledger why there is no verdict on the head yet: git or
// the cluster could not be read.
func (e *environment) undecided(ctx context.Context, err error) {
	head := e.ledger.Head()
	if head.Verdict.Final() || ctx.Err() != nil {
		return
	}
	head.conclude(Pending, err.Error(), e.agent.opts.Now())
	if err := e.store(ctx); err != nil {
		e.log.Warn("the ledger can't be written", "error", err)
	}
}

// settle enters what became of each job, and returns the error for which to look
// again, if any.
func (e *environment) settle(jobs []*job, results map[string]apply.Result) error {
	var again error
	for _, j := range jobs {
		r, ran := results[j.key.String()]
		if j.err != nil {
			r, ran = apply.Result{Err: j.err}, true
		}
		if !ran {
			continue
		}
		j.blocked = append(j.blocked, releaseNames(r.Blocked)...)
		if len(j.blocked) > 0 && j.changes() {
			j.outcome = ReleaseOutcome{Name: j.spec.Name, Action: string(j.decision.Act), Outcome: string(Held),
				Reason: "blocked by " + strings.Join(j.blocked, ", ")}
		}
		switch {
		case errors.Is(r.Err, errInterrupted):
			again = errInterrupted
		case !j.open(r.Err):
			delete(e.retries, j.key)
		default:
			e.postpone(j.key, r.Err)
			if again == nil {
				again = fmt.Errorf("release %s: %w", j.spec.Name, r.Err)
			}
		}
	}
	return again
}

// open reports whether a job ended with an error that is no verdict on the
// release, so that the job is to be done again.
func (j *job) open(err error) bool {
	var unhealthy *apply.UnhealthyError
	switch {
	case err == nil:
		return false
	case apply.Transient(err):
		return true
	case errors.Is(err, errNotLive), errors.As(err, &unhealthy):
		return false
	}
	return j.outcome.Outcome != string(Failed) && j.outcome.Outcome != string(RolledBack)
}

func outcomesOf(jobs []*job) []ReleaseOutcome {
	var out []ReleaseOutcome
	for _, j := range jobs {
		if j.outcome.Name != "" {
			out = append(out, j.outcome)
		}
	}
	return out
}

// judge draws the head's verdict; empty leaves it as it is.
func (e *environment) judge(head *Entry, jobs []*job, refusals []string, again error) (Verdict, string) {
	switch {
	case len(refusals) > 0:
		slices.Sort(refusals)
		return Refused, strings.Join(slices.Compact(refusals), "; ")
	case errors.Is(again, errInterrupted):
		return "", ""
	case errors.Is(again, errAway) && !head.Verdict.stands():
		return Pending, e.away.err.Error()
	case again != nil && head.Verdict.Final():
		return "", "" // drift that can't be put back yet is no new verdict
	case again != nil:
		return Progressing, again.Error()
	}
	return verdictOf(head, jobs)
}

// verdictOf judges a head that has been carried out as far as it can be.
func verdictOf(head *Entry, jobs []*job) (Verdict, string) {
	var failed, back, held []string
	acted := false
	for _, o := range head.Releases {
		text := o.Name + ": " + o.Reason
		switch Verdict(o.Outcome) {
		case Failed:
			failed = append(failed, text)
		case RolledBack:
			back = append(back, text)
		case Held:
			held = append(held, text)
		}
		acted = acted || o.tells()
	}
	for _, j := range jobs {
		told := func(o ReleaseOutcome) bool { return o.Name == j.spec.Name && o.tells() }
		if j.decision.Behind && !slices.ContainsFunc(head.Releases, told) {
			held = append(held, j.spec.Name+": "+j.decision.Reason)
		}
	}
	switch {
	case len(failed) > 0:
		return Failed, strings.Join(append(append(failed, back...), held...), "; ")
	case len(back) > 0:
		return RolledBack, strings.Join(append(back, held...), "; ")
	case len(held) > 0:
		return Held, strings.Join(held, "; ")
	case head.Verdict.stands():
		return "", ""
	case acted:
		return Applied, head.Trigger
	}
	return NoOp, "no release's inputs changed"
}

// tells reports whether an outcome says what became of a deploy: a repair is none,
// and one that was interrupted has not ended.
func (o ReleaseOutcome) tells() bool {
	return o.Action != string(Repair) && o.Outcome != string(Progressing)
}

// describeReleases enters what each release is like now, into the ledger and
// the metrics.
func (e *environment) describeReleases(jobs []*job) {
	now := e.agent.opts.Now()
	states := make([]ReleaseState, 0, len(jobs))
	for _, j := range jobs {
		current := j.state.History.Current()
		if !j.state.Listed && len(j.state.History.Intended()) == 0 {
			continue // what may be there still is not forgotten, also by who starts anew
		}
		s := ReleaseState{Name: j.key.name, Namespace: j.key.namespace, Healthy: current != nil, BlockedBy: j.blocked, DependsOn: j.spec.DependsOn}
		if j.prepared == nil { // environment.yaml does not list it, or can't be read
			s.DependsOn = j.former
		}
		if h := e.heldOf(j.key); h != nil {
			s.Drift = slices.Concat(h.drift, h.foreign)
			s.Healthy, s.Reason = healthy(e.cluster.Health(h.lasting))
		}
		if j.decision.Behind || len(j.blocked) > 0 || current == nil {
			if e.behind[j.key].IsZero() {
				e.behind[j.key] = now
			}
			s.Reason = firstOf(s.Reason, j.decision.Reason, j.outcome.Reason)
		} else {
			delete(e.behind, j.key)
		}
		if j.err != nil {
			s.Healthy, s.Reason = false, j.err.Error()
		}
		s.Reason = shortened(s.Reason)
		states = append(states, s)
		e.meter(j, s, now.Sub(e.behindSince(j.key, now)).Seconds())
	}
	e.ledger.Releases = states
}

func (e *environment) behindSince(key releaseKey, now time.Time) time.Time {
	if t, ok := e.behind[key]; ok {
		return t
	}
	return now
}

func healthy(all []apply.Health) (bool, string) {
	for _, h := range all {
		if h.State != apply.Healthy {
			return false, h.ID.String() + ": " + h.Reason
		}
	}
	return true, ""
}

func firstOf(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

func (e *environment) meter(j *job, s ReleaseState, behind float64) {
	m := e.agent.metrics
	m.healthy.WithLabelValues(e.name, j.key.name).Set(bit(s.Healthy))
	m.behind.WithLabelValues(e.name, j.key.name).Set(behind)
	objects := map[string]bool{}
	foreign := 0
	for _, d := range s.Drift {
		if d.Foreign {
			foreign++
		} else {
			objects[d.Object] = true
		}
	}
	m.foreign.WithLabelValues(e.name, j.key.name).Set(float64(foreign))
	m.paused.WithLabelValues(e.name, j.key.name).Set(bit(j.state.Paused != ""))
	m.drifted.WithLabelValues(e.name, j.key.name).Set(float64(len(objects)))
	if c := j.state.History.Current(); c != nil {
		m.setInfo(e.name, j.key.name, c.ChartVersion(), c.AppVersion(), strconv.Itoa(c.Revision), string(c.Status))
	}
}

// store writes the ledger if it is not what is stored.
func (e *environment) store(ctx context.Context) error {
	text, err := e.ledger.Text()
	if err != nil || text == e.stored {
		return err
	}
	d := e.document()
	if d.Version == "" && e.stored != "" {
		if d, err = e.cluster.ReadDocument(ctx, d); err != nil {
			return err
		}
	}
	d.Text = text
	written, err := e.cluster.WriteDocument(ctx, d)
	if err != nil {
		// It may have been written all the same, or touched by a person: the next
		// try reads its version anew.
		written, text = d, "?"
		written.Version = ""
	}
	e.mu.Lock()
	e.doc, e.stored = written, text
	e.mu.Unlock()
	return err
}

func (e *environment) document() apply.Document {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.doc
}

// announce says what became of the head, once.
func (e *environment) announce(ctx context.Context, before Verdict) {
	head := e.ledger.Head()
	args := []any{"verdict", head.Verdict, "commit", short(head.Commit.Commit), "subject", head.Subject}
	if head.Reason != "" {
		args = append(args, "reason", head.Reason)
	}
	switch eventKind(head.Verdict) {
	case "Warning":
		e.log.Error("verdict", args...)
	default:
		e.log.Info("verdict", args...)
	}
	if !head.Verdict.Final() {
		return
	}
	m := e.agent.metrics
	m.deploys.WithLabelValues(e.name, string(head.Verdict)).Inc()
	if head.Verdict == Applied && !before.stands() && head.Trigger == "" {
		m.leadTime.WithLabelValues(e.name).Observe(e.agent.opts.Now().Sub(head.Time).Seconds())
	}
	text := fmt.Sprintf("%s %s (%s)", short(head.Commit.Commit), head.Verdict, head.Subject)
	if head.Reason != "" {
		text += ": " + head.Reason
	}
	e.emit(ctx, eventKind(head.Verdict), reasonOf(head.Verdict), text)
}

// reasonOf turns a verdict into an event's reason: one CamelCase word.
func reasonOf(v Verdict) string {
	var b strings.Builder
	for part := range strings.SplitSeq(string(v), "-") {
		b.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	return b.String()
}

func (e *environment) emit(ctx context.Context, kind, reason, text string) {
	if err := e.cluster.Emit(ctx, e.document(), kind, reason, text, e.agent.opts.Now()); err != nil {
		e.log.Warn("an event can't be written", "error", err)
	}
}
