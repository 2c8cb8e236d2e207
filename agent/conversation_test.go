package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"helm.sh/helm/v3/pkg/release"

	"github.com/xetys/tether/agent/assess"
	"github.com/xetys/tether/agent/decide"
	"github.com/xetys/tether/agent/deploy"
	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/agent/observed"
	"github.com/xetys/tether/agent/report"
	"github.com/xetys/tether/agent/rollout"
	"github.com/xetys/tether/apply/record"
	"github.com/xetys/tether/render/config"
	"github.com/xetys/tether/source"
	"github.com/xetys/tether/test/conversation"
)

// A conversation is what happens to an environment, and what it decides and concludes: a line
// that begins with ">" is told to it, and those below are its answer. There is no cluster: a
// rollout is healthy unless the conversation says that its digest fails, or is cut off.
func TestConversations(t *testing.T) {
	conversation.Run(t, func() conversation.Partner {
		c := newLoop()
		return func(t *testing.T, words []string) string {
			c.answer.Reset()
			c.say(t, words)
			return c.answer.String()
		}
	}, false)
}

// loop is an environment without a cluster, and what the world does to it.
type loop struct {
	e      *environment
	now    time.Time
	head   string
	want   map[string]string   // digests by release
	needs  map[string][]string // dependsOn
	fails  map[string]string   // why, by "release digest"
	cut    map[string]bool     // releases whose rollouts are cut off
	paused map[string]string
	drifts map[string]bool
	retry  bool
	hold   bool // onFailure is hold
	answer strings.Builder

	mu   sync.Mutex
	told map[string][]string // what rollouts did, by release
}

func newLoop() *loop {
	c := &loop{now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC), want: map[string]string{}, needs: map[string][]string{},
		fails: map[string]string{}, cut: map[string]bool{}, paused: map[string]string{}, drifts: map[string]bool{}}
	silent, m := slog.New(slog.DiscardHandler), report.NewMetrics(prometheus.NewRegistry())
	c.e = unconnected(&process{opts: Options{Now: func() time.Time { return c.now }}, log: silent, metrics: m}, "prod")
	c.e.verdicts.Ledger = &ledger.Ledger{Environment: "prod"}
	c.e.verdicts.Reporter = report.New("prod", silent, m, func(context.Context, string, string, string, string) (bool, error) { return true, nil })
	return c
}

// say does what a line says, and looks.
func (c *loop) say(t *testing.T, words []string) {
	t.Helper()
	verb, rest := words[0], words[1:]
	switch verb {
	case "commit": // SHA release=digest...
		c.head, c.want = strings.Repeat(rest[0], 7), map[string]string{}
		for _, w := range rest[1:] {
			name, digest, _ := strings.Cut(w, "=")
			c.want[name] = digest
		}
		c.e.verdicts.Ledger.AddCommits([]source.Commit{{SHA: c.head}}, c.now)
	case "needs":
		c.needs[rest[0]] = rest[1:]
		return
	case "fail":
		c.fails[rest[0]+" "+rest[1]] = strings.Join(rest[2:], " ")
		return
	case "mend":
		delete(c.fails, rest[0]+" "+rest[1])
		return
	case "cut":
		c.cut[rest[0]] = true
		return
	case "on-failure":
		c.hold = rest[0] == "hold"
		return
	case "clock":
		by, err := time.ParseDuration(rest[0])
		if err != nil {
			t.Fatal(err)
		}
		c.now = c.now.Add(by)
		return
	case "pause":
		c.paused[rest[0]] = "paused by " + rest[1]
	case "resume":
		delete(c.paused, rest[0])
	case "drift":
		c.drifts[rest[0]] = true
	case "retry":
		c.retry = true
		c.e.verdicts.Ledger.Retrigger("somebody asked", c.now)
	case "look":
	default:
		t.Fatalf("%q is not understood", verb)
	}
	c.look()
	c.retry = false
}

// look decides, carries out and concludes, as the loop does.
func (c *loop) look() {
	ctx := context.Background()
	releases := c.releases()
	jobs := deploy.JobsOf(releases)
	d := deploy.New(ctx, &assess.Assessment{Commit: &assess.Commit{SHA: c.head}, Releases: releases}, jobs)
	c.told = map[string][]string{}
	for _, r := range releases {
		fmt.Fprintf(&c.answer, "  %s: %s\n", r.Key.Name, strings.TrimSuffix(string(r.Decision.Act)+": "+r.Decision.Reason, ": "))
	}
	byName, work := assess.ByKey(releases), assess.Order(releases, false)
	if d.Results = deploy.AllBlocked(work, byName); d.Results == nil {
		c.e.verdicts.Begin(d.Commit, jobs)
		c.e.rollouts.Begin(d)
		handed := deploy.Assign(jobs)
		d.Results = work.Run(ctx, func(_ context.Context, name string) error {
			o := c.rollOut(handed[name])
			d.Report(o)
			return o.Err
		})
	}
	d.Collect()
	c.e.rollouts.End()
	again := c.e.verdicts.RecordOutcomes(d, func() bool { return false })
	for _, name := range slices.Sorted(maps.Keys(c.told)) {
		for _, text := range c.told[name] {
			fmt.Fprintf(&c.answer, "    %s %s\n", name, text)
		}
	}
	for _, entry := range c.e.verdicts.Ledger.Entries {
		fmt.Fprintf(&c.answer, "  = %.1s %s\n", entry.Commit.Commit, strings.TrimSuffix(string(entry.Verdict)+": "+entry.Reason, ": "))
	}
	if again != nil {
		fmt.Fprintf(&c.answer, "  again: %v\n", again)
	}
}

// releases are what is listed and what is recorded, decided on.
func (c *loop) releases() []*assess.Release {
	names := slices.Collect(maps.Keys(c.want))
	for _, key := range c.e.Observed.Histories.Owned("prod") {
		if c.want[key.Name] == "" {
			names = append(names, key.Name)
		}
	}
	slices.Sort(names)
	var out []*assess.Release
	for _, name := range names {
		r := &assess.Release{Key: observed.Key{Namespace: "prod", Name: name}, Spec: config.ReleaseSpec{Name: name, Namespace: "prod", DependsOn: c.needs[name]}}
		onFailure := "rollback"
		if c.hold {
			onFailure = "hold"
		}
		r.State = decide.State{Environment: "prod", Desired: decide.Desired{Listed: c.want[name] != "", Want: c.want[name], OnFailure: onFailure, Correct: true}, History: c.e.Observed.Histories.History(r.Key), Live: decide.Live{Drifted: c.drifts[name]}, Holds: decide.Holds{Paused: c.paused[name]}, Retry: c.retry}
		r.Asked, r.Decision = c.want[name], decide.Decide(r.State)
		out = append(out, r)
	}
	return out
}

// rollOut does to a release's records what a rollout does, and decides again when it failed.
func (c *loop) rollOut(h deploy.Assignment) rollout.Outcome {
	r := h.Release
	o := rollout.Outcome{Release: r}
	tell := func(format string, args ...any) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.told[r.Key.Name] = append(c.told[r.Key.Name], fmt.Sprintf(format, args...))
	}
	for {
		switch r.Decision.Act {
		case decide.None:
			return o
		case decide.Hold:
			o.Err = cmp.Or(o.Err, rollout.ErrNotLive)
			return o
		case decide.Repair:
			tell("was put back")
			o.Outcome = ledger.Outcome{Name: r.Key.Name, Action: "repair", Outcome: string(ledger.Applied)}
			c.mu.Lock()
			delete(c.drifts, r.Key.Name)
			c.mu.Unlock()
			return o
		}
		if done := c.attempt(r, h.Commit, &o, tell); done {
			return o
		}
		if r.Decision = decide.Decide(r.State); !r.Changes() {
			return o
		}
	}
}

// attempt is one rollout; it reports whether that is all.
func (c *loop) attempt(r *assess.Release, commit string, o *rollout.Outcome, tell func(string, ...any)) bool {
	rec := c.intend(r, commit)
	failed := o.Outcome
	o.Outcome = ledger.Outcome{Name: r.Key.Name, Action: string(rec.Action), Revision: rec.Revision, Outcome: string(ledger.Progressing)}
	why := c.fails[r.Key.Name+" "+rec.Digest]
	c.mu.Lock()
	cut := c.cut[r.Key.Name]
	delete(c.cut, r.Key.Name)
	c.mu.Unlock()
	defer func() { c.e.Observed.Histories.Set(r.Key, record.Copy(r.State.History)) }()
	switch {
	case cut:
		tell("%s to %s is cut off (revision %d)", rec.Action, rec.Digest, rec.Revision)
		o.Err = rollout.ErrInterrupted
		return true
	case why != "":
		tell("%s to %s failed (revision %d)", rec.Action, rec.Digest, rec.Revision)
		rec.Outcome, rec.Status = record.Failed, release.StatusFailed
		o.Outcome.Outcome, o.Reason, o.Err = string(ledger.Failed), why, errors.New(why)
		r.State.Retry = false
		return false
	}
	if r.Decision.Act == decide.Uninstall {
		tell("is uninstalled (revision %d)", rec.Revision)
		rec.Status = release.StatusUninstalled
	} else {
		tell("%s to %s is healthy (revision %d)", rec.Action, rec.Digest, rec.Revision)
		for _, former := range r.State.History {
			if former != rec && former.Status == release.StatusDeployed {
				former.Status = release.StatusSuperseded
			}
		}
		rec.Outcome, rec.Status = record.Good, release.StatusDeployed
	}
	o.Outcome.Outcome = string(ledger.Applied)
	if failed.Name != "" { // it went back
		failed.Outcome, failed.Reason = string(ledger.RolledBack), fmt.Sprintf("%s; rolled back (revision %d)", failed.Reason, rec.Revision)
		o.Outcome = failed
	}
	return true
}

// intend returns the record that a rollout goes on with, or begins.
func (c *loop) intend(r *assess.Release, commit string) *record.Record {
	h := r.State.History
	if r.Decision.Act == decide.Resume {
		return h.Pending()
	}
	if r.Decision.Act == decide.Uninstall {
		return h.Last()
	}
	if p := h.Pending(); p != nil {
		p.Outcome, p.Status = record.Abandoned, release.StatusFailed
	}
	rec := &record.Record{Name: r.Key.Name, Namespace: r.Key.Namespace, Revision: h.Next(), Digest: r.State.Want, Commit: commit,
		Environment: "prod", Action: assess.Actions[r.Decision.Act], Status: release.StatusPendingUpgrade}
	if to := r.Decision.To; to != nil {
		rec.Digest = to.Digest
	}
	r.State.History = append(slices.Clone(h), rec)
	return rec
}
