package rollout

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"helm.sh/helm/v3/pkg/release"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/xetys/tether/agent/assess"
	"github.com/xetys/tether/agent/decide"
	"github.com/xetys/tether/agent/observed"
	"github.com/xetys/tether/agent/report"
	"github.com/xetys/tether/agent/veil"
	"github.com/xetys/tether/apply/execute"
	"github.com/xetys/tether/apply/judge"
	"github.com/xetys/tether/apply/plan"
	"github.com/xetys/tether/apply/record"
	"github.com/xetys/tether/apply/wait"
	"github.com/xetys/tether/render/config"
	"github.com/xetys/tether/render/manifest"
	"github.com/xetys/tether/test/conversation"
)

// A conversation is one release and the faults that its rollout meets: a line that begins with
// ">" is an instruction, and those below it say what the rollout asks of the cluster and of the
// records, and what it comes to. There is no cluster: each step succeeds unless the conversation
// has it fail.
func TestConversations(t *testing.T) {
	conversation.Run(t, func() conversation.Partner {
		w := newWorld()
		return func(t *testing.T, words []string) string {
			w.answer.Reset()
			w.say(t, words)
			return w.answer.String()
		}
	}, true)
}

// world is a release, and a cluster, records and surveyor that do what the conversation says.
type world struct {
	now     time.Time
	state   decide.State
	faults  map[string][]fault // by step, in their order
	drifted bool
	refused string // why drift can't be put back
	timeout time.Duration
	file    string // where git says the time-out; empty if it can't be read
	stop    context.CancelCauseFunc
	metrics *prometheus.Registry // of the last run

	mu     sync.Mutex
	answer strings.Builder
}

// timeout is what a rollout has, unless the conversation says otherwise.
const timeout = 5 * time.Minute

// fault is how a step fails.
type fault struct{ kind, text string }

func newWorld() *world {
	return &world{timeout: timeout, file: "environments/prod/environment.yaml", now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC), faults: map[string][]fault{},
		state: decide.State{Environment: "prod", Desired: decide.Desired{Listed: true, OnFailure: "rollback", Correct: true}}}
}

// say does what a line says.
func (w *world) say(t *testing.T, words []string) {
	t.Helper()
	verb, rest := words[0], words[1:]
	switch verb {
	case "record": // a record of a digest that is: running, superseded, failed, pending, foreign
		w.record(t, rest[0], rest[1])
	case "want":
		w.state.Want = rest[0]
	case "unlisted":
		w.state.Listed, w.state.Want = false, ""
	case "timeout":
		var err error
		if w.timeout, err = time.ParseDuration(rest[0]); err != nil {
			t.Fatal(err)
		}
	case "unread": // environment.yaml can't be
		w.file = ""
	case "on-failure":
		w.state.OnFailure = rest[0]
	case "retries":
		var err error
		if w.state.Retries, err = strconv.Atoi(rest[0]); err != nil {
			t.Fatal(err)
		}
	case "drift": // [WHY IT CAN'T BE PUT BACK...]
		w.state.Drifted, w.drifted, w.refused = true, true, strings.Join(rest, " ")
	case "report-drift":
		w.state.Correct = false
	case "fail": // STEP KIND TEXT...
		w.faults[rest[0]] = append(w.faults[rest[0]], fault{rest[1], strings.Join(rest[2:], " ")})
	case "go":
		w.run(t)
	default:
		t.Fatalf("%q is not understood", verb)
	}
}

func (w *world) record(t *testing.T, digest, is string) {
	t.Helper()
	begun := w.now.Add(-time.Hour)
	switch is {
	case "pending":
		begun = w.now.Add(time.Minute - timeout - time.Second)
	case "late":
		begun = w.now.Add(-time.Minute - timeout - time.Second)
	}
	r := record.New(w.manifest(digest), w.state.History, record.Upgrade, "prod", strings.Repeat(digest, 7), begun)
	switch is {
	case "running":
		r.Outcome, r.Status = record.Good, release.StatusDeployed
	case "superseded":
		r.Outcome, r.Status = record.Good, release.StatusSuperseded
	case "failed":
		r.Outcome, r.Status = record.Failed, release.StatusFailed
	case "pending":
		r.Deadline = deadlineOf(begun, timeout)
	case "late": // pending, and its deadline is over
		r.Deadline = deadlineOf(begun, timeout)
	default:
		t.Fatalf("a record that is %q is not understood", is)
	}
	w.state.History = append(w.state.History, r)
}

func (w *world) manifest(digest string) *manifest.Release {
	return &manifest.Release{Name: "web", Namespace: "prod", Digest: digest, Plain: true, Chart: manifest.Chart{Name: "web", Version: "1.0.0"}}
}

// run decides and rolls out, and says what became of it.
func (w *world) run(t *testing.T) {
	t.Helper()
	seen, beside := &observed.State{}, &sync.WaitGroup{}
	seen.Forget()
	r := &assess.Release{Key: observed.Key{Namespace: "prod", Name: "web"}, Spec: config.ReleaseSpec{Name: "web", Namespace: "prod", Timeout: w.timeout, File: w.file}, State: w.state}
	r.Asked = w.state.Want
	r.Decision = decide.Decide(r.State)
	if err := w.Describe(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	w.plan(r)
	waits, stop := context.WithCancelCause(t.Context())
	w.stop, w.metrics = stop, prometheus.NewRegistry()
	x := &Executor{recorder{Site: &assess.Site{Environment: "prod", Observed: seen, Veil: &veil.Veil{}, Config: assess.Config{Now: w.clock}},
		Options: Options{Commit: &assess.Commit{SHA: strings.Repeat("c", 7)}, HistoryMax: 10, Log: slog.New(slog.DiscardHandler), Metrics: report.NewMetrics(w.metrics),
			Event:   func(_ context.Context, kind, reason, text string) { w.tell("event %s %s: %s", kind, reason, text) },
			Waiting: func(observed.Key, string) {}, Background: beside},
		cluster: w, records: w, surveyor: w}}
	w.tell("%s: %s", r.Decision.Act, r.Decision.Reason)
	o := x.Run(t.Context(), waits, r, strings.Repeat("c", 7))
	beside.Wait()
	for _, rec := range o.Release.State.History {
		w.tell("record %d of %s: %s, %s", rec.Revision, rec.Digest, rec.Outcome, rec.Status)
	}
	for i, rec := range seen.Histories.History(r.Key) {
		if own := o.Release.State.History[i]; rec == own || rec.Outcome != own.Outcome || rec.Status != own.Status {
			t.Errorf("revision %d is entered as %s, %s", rec.Revision, rec.Outcome, rec.Status)
		}
	}
	w.state.History = o.Release.State.History
	w.tell("= %s", strings.TrimSuffix(strings.TrimSpace(fmt.Sprintf("%s %s: %s", o.Action, o.Outcome.Outcome, o.Reason)), ":"))
	if o.Err != nil {
		w.tell("error: %v", o.Err)
	}
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) tell(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	fmt.Fprintf(&w.answer, "  "+format+"\n", args...)
}

// step says that something is asked for, and returns the next fault of it, if there is one.
func (w *world) step(name, text string) error {
	w.tell("%s", strings.TrimSpace(name+" "+text))
	w.mu.Lock()
	defer w.mu.Unlock()
	list := w.faults[name]
	if len(list) == 0 {
		return nil
	}
	f := list[0]
	w.faults[name] = list[1:]
	switch f.kind {
	case "unhealthy":
		return &wait.UnhealthyError{Objects: []judge.Health{{ID: deployment, Reason: f.text}}}
	case "late": // its time is over
		w.now = w.now.Add(time.Hour)
		return &wait.UnhealthyError{Objects: []judge.Health{{ID: deployment, Reason: f.text}}, TimedOut: true, Timeout: 5 * time.Minute}
	case "trouble":
		return apierrors.NewServiceUnavailable(f.text)
	case "changed":
		w.drifted = true
		return wait.ErrChanged
	case "exists":
		return record.ErrExists
	case "newer": // a newer head comes
		w.stop(ErrSuperseded)
		return ErrSuperseded
	}
	return errors.New(f.text)
}

var deployment = manifest.ID{Group: "apps", Kind: "Deployment", Namespace: "prod", Name: "web"}

// plan gives a release the change that a survey would find.
func (w *world) plan(r *assess.Release) {
	r.Plan, r.IDs, r.Lasting = plan.Plan{}, []manifest.ID{deployment}, []manifest.ID{deployment}
	if r.Changes() || w.drifted {
		r.Plan.Changes = []plan.Change{{ID: deployment, Action: plan.Create}}
	}
	if w.refused != "" {
		r.Plan.Changes[0].Action, r.Plan.Changes[0].Why = plan.Refused, w.refused
	}
	w.drifted = false
}

// Describe implements Surveyor.
func (w *world) Describe(_ context.Context, r *assess.Release) error {
	digest := r.State.Want
	if to := r.Decision.To; to != nil {
		digest = to.Digest
	}
	r.Manifest = w.manifest(digest)
	return nil
}

// Survey implements Surveyor.
func (w *world) Survey(_ context.Context, r *assess.Release, _ plan.Provisions) error {
	w.plan(r)
	return w.step("survey", "")
}

// SurveyRollout implements Surveyor.
func (w *world) SurveyRollout(ctx context.Context, r *assess.Release, provisions plan.Provisions) error {
	return w.Survey(ctx, r, provisions)
}

// Reload implements Surveyor.
func (w *world) Reload(*assess.Release) error { return nil }

// Moves implements Surveyor.
func (w *world) Moves(context.Context, []*assess.Release) plan.Moves { return plan.Moves{} }

// ManifestOf implements Surveyor.
func (w *world) ManifestOf(_ context.Context, r *record.Record, _ manifest.Scope) (*manifest.Release, error) {
	return w.manifest(r.Digest), nil
}

// EnsureNamespace implements Cluster.
func (w *world) EnsureNamespace(context.Context, string, map[string]string) error {
	return w.step("namespace", "")
}

// RunHooks implements Cluster.
func (w *world) RunHooks(_ context.Context, _ plan.Owner, _ []manifest.Hook, run execute.HookRun) error {
	return w.step(run.Event, "")
}

// Apply implements Cluster.
func (w *world) Apply(_, _ context.Context, _ plan.Owner, p plan.Plan, _ func([]judge.Health)) error {
	return w.step("apply", fmt.Sprintf("(%d changes)", len(p.Changes)))
}

// Wait implements Cluster.
func (w *world) Wait(_ context.Context, a wait.Awaited) error {
	return w.step("wait", fmt.Sprintf("until %s", a.Bounds.Deadline.Format(time.TimeOnly)))
}

// WaitFor implements Cluster.
func (w *world) WaitFor(context.Context, []manifest.ID, wait.Bounds, func([]judge.Health)) error {
	return w.step("wait", "")
}

// Verify implements Cluster.
func (w *world) Verify(context.Context, plan.Owner, []manifest.Hook, []manifest.Check, wait.Bounds, func([]judge.Health)) error {
	return w.step("verify", "")
}

// Prune implements Cluster.
func (w *world) Prune(context.Context, plan.Plan, wait.Bounds, func([]judge.Health)) error {
	return w.step("prune", "")
}

// PendingDeletions implements Cluster.
func (w *world) PendingDeletions(plan.Plan) []manifest.ID { return nil }

// InPlace implements Cluster.
func (w *world) InPlace(plan.Plan) bool { return true }

// Left implements Cluster.
func (w *world) Left([]manifest.ID) []byte { return nil }

// AnyThere implements Cluster.
func (w *world) AnyThere(context.Context, []manifest.Object) (bool, error) { return false, nil }

// WithHolders implements Cluster.
func (w *world) WithHolders(_ context.Context, err error) error { return err }

// Namespaced implements Cluster.
func (w *world) Namespaced(schema.GroupVersionKind) (bool, bool) { return true, true }

// History implements Records.
func (w *world) History(context.Context, string, string) ([]*record.Record, error) {
	return record.Copy(w.state.History), nil
}

// Create implements Records.
func (w *world) Create(_ context.Context, r *record.Record) error {
	return w.step("create", fmt.Sprintf("record %d: %s to %s by %s", r.Revision, r.Action, r.Digest, r.Deadline.Format(time.TimeOnly)))
}

// Finish implements Records.
func (w *world) Finish(_ context.Context, r *record.Record, o record.Outcome, status release.Status, description string, changes ...record.Change) error {
	if err := w.step("conclude", fmt.Sprintf("record %d as %s, %s: %s", r.Revision, o, status, description)); err != nil {
		return err
	}
	r.Outcome, r.Status = o, status
	for _, change := range changes {
		change(r)
	}
	return nil
}

// Supersede implements Records.
func (w *world) Supersede(_ context.Context, r *record.Record) error {
	if err := w.step("supersede", fmt.Sprintf("record %d", r.Revision)); err != nil {
		return err
	}
	r.Status = release.StatusSuperseded
	return nil
}

// HookRan implements Records.
func (w *world) HookRan(context.Context, *record.Record, string, int, manifest.Hook, time.Time, time.Time, bool) error {
	return nil
}

// Hold implements Records.
func (w *world) Hold(_ context.Context, r *record.Record, deadline, _ time.Time) error {
	return w.step("hold", fmt.Sprintf("record %d until %s", r.Revision, deadline.Format(time.TimeOnly)))
}

// Trim implements Records.
func (w *world) Trim(_ context.Context, h record.History, _ int) (record.History, error) {
	return slices.Clone(h), w.step("trim", "")
}

// Delete implements Records.
func (w *world) Delete(_ context.Context, r *record.Record) error {
	return w.step("delete", fmt.Sprintf("record %d", r.Revision))
}
