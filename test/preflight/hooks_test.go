package preflight_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/xetys/tether/apply/apierror"
	"github.com/xetys/tether/apply/execute"
	"github.com/xetys/tether/apply/plan"
	"github.com/xetys/tether/apply/wait"
	"github.com/xetys/tether/render/manifest"
)

// hooks reads objects as hooks of some events, with Helm's default policy.
func (w *world) hooks(text string, events ...string) []manifest.Hook {
	var out []manifest.Hook
	for _, o := range w.parse(text) {
		out = append(out, manifest.Hook{Object: o, Events: events, DeletePolicies: []string{"before-hook-creation"}})
	}
	return out
}

func (w *world) surveyHooks(hooks []manifest.Hook, provisions plan.Provisions, events ...string) string {
	w.t.Helper()
	changes, err := w.cluster.Surveyor.Hooks(w.t.Context(), w.owner, hooks, events, provisions)
	if err != nil {
		w.t.Fatal(err)
	}
	return plan.Plan{Changes: changes}.String()
}

func (w *world) run(ctx context.Context, hooks []manifest.Hook, run execute.HookRun) error {
	if run.Bounds.Deadline.IsZero() {
		run.Bounds = wait.Within(time.Minute, time.Now())
	}
	return w.cluster.Hooks.Run(ctx, w.owner, hooks, run)
}

const migrate = "{kind: Job, apiVersion: batch/v1, metadata: {name: migrate}, spec: {template: {spec: {nodeSelector: {NODES}, restartPolicy: POLICY, containers: [{name: a, image: 'example.com/a:1'}]}}}}"

func migration(policy string) string {
	return strings.NewReplacer("NODES", "", "POLICY", policy).Replace(migrate)
}

// stuck is a migration that does not run before there is a node for it.
func stuck() string {
	return strings.NewReplacer("NODES", "$NS: 'yes'", "POLICY", "Never").Replace(migrate)
}

func TestHooksAreJudgedBeforeAnythingIsWritten(t *testing.T) {
	w := newWorld(t, "")
	w.person("{kind: Job, apiVersion: batch/v1, metadata: {name: there, labels: {tether.stytex.cloud/environment: $NS}, annotations: {meta.helm.sh/release-name: web}}, spec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: 'example.com/a:1'}]}}}}")
	const account = "{kind: Pod, apiVersion: v1, metadata: {name: p}, spec: {serviceAccountName: account, containers: [{name: a, image: example.com/a}]}}"
	provisions := plan.ProvisionsOf(w.parse("{kind: ServiceAccount, apiVersion: v1, metadata: {name: account}}\n---\n{kind: Namespace, apiVersion: v1, metadata: {name: $NS-new}}\n---\n" + gadgets))
	if err := w.cluster.Surveyor.FindAbsent(t.Context(), &provisions); err != nil {
		t.Fatal(err)
	}
	for sentence, c := range map[string]struct{ object, event, reason string }{
		"a valid Job":                              {migration("Never"), "post-install", ""},
		"an invalid Job":                           {migration("Always"), "post-install", "post-install hook: Job.batch \"migrate\" is invalid: spec.template.spec.restartPolicy"},
		"an invalid Job of another event":          {migration("Always"), "post-delete", ""},
		"an invalid Job in a namespace that comes": {strings.Replace(migration("Always"), "name: migrate", "name: migrate, namespace: $NS-new", 1), "post-install", "restartPolicy"},
		"a Job that is there":                      {strings.Replace(migration("Never"), "migrate", "there", 1), "post-install", ""},
		"an invalid Job in the place of another":   {strings.Replace(migration("Always"), "migrate", "there", 1), "post-install", "Required value"},
		"an unknown field":                         {"{kind: ConfigMap, apiVersion: v1, metadata: {name: x}, dta: {}}", "pre-upgrade", "field not declared in schema"},
		"an unknown kind":                          {"{kind: Gizmo, apiVersion: example.com/v1, metadata: {name: x}}", "pre-upgrade", "nothing of this commit brings it"},
		"a kind that comes":                        {gadget("v1", "{}"), "post-install", ""},
		"a version that does not":                  {gadget("v1beta1", "{}"), "post-install", "serves v1, not v1beta1"},
		"a UID":                                    {"{kind: ConfigMap, apiVersion: v1, metadata: {name: x, uid: abc}}", "pre-upgrade", "metadata.uid is set"},
		"an account that comes":                    {account, "test", ""},
		"an account that another hook brings":      {strings.ReplaceAll(account, "account}", "other}") + "\n---\n{kind: ServiceAccount, apiVersion: v1, metadata: {name: other}}", "pre-install", ""},
		"an account that nobody brings":            {strings.ReplaceAll(account, "Name: account", "Name: nobodys"), "pre-install", "not found"},
	} {
		t.Run(sentence, func(t *testing.T) {
			w := w.as(t, w.cluster)
			have := w.surveyHooks(w.hooks(c.object, c.event), provisions, "pre-install", "post-install", "pre-upgrade", "test")
			if c.reason == "" && strings.Contains(have, "refused") || !strings.Contains(have, c.reason) {
				t.Errorf("want %q:\n%s", c.reason, have)
			}
		})
	}
}

// What is not the release's is neither deleted nor changed for a hook.
func TestAHookReplacesWhatIsTheReleasesOnly(t *testing.T) {
	w := newWorld(t, "")
	const object = "{kind: ConfigMap, apiVersion: v1, metadata: {name: NAME, labels: {LABELS}, annotations: {ANNOTATIONS}}, data: {a: found}}"
	for name, c := range map[string]struct{ labels, annotations, manager, reason string }{
		"nobodys":       {"", "", "kubectl", "made by kubectl, and belongs to no release"},
		"others":        {"", "meta.helm.sh/release-name: other, meta.helm.sh/release-namespace: $NS", "kubectl", "belongs to release"},
		"elsewheres":    {"tether.stytex.cloud/environment: elsewhere", "meta.helm.sh/release-name: web, meta.helm.sh/release-namespace: $NS", "tether", "belongs to environment elsewhere"},
		"nearly-helms":  {"app.kubernetes.io/instance: other", "helm.sh/hook: pre-install", "helm", "belongs to no release"},
		"copied":        {"", "helm.sh/hook: pre-install", "kubectl", "belongs to no release"},
		"helms":         {"app.kubernetes.io/instance: web", "helm.sh/hook: pre-install", "helm", ""},
		"helms-unnamed": {"", "helm.sh/hook: pre-install", "helm", ""},
		"ours":          {"tether.stytex.cloud/environment: $NS", "meta.helm.sh/release-name: web, meta.helm.sh/release-namespace: $NS", "tether", ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := w.as(t, w.cluster)
			o := w.parse(strings.NewReplacer("NAME", name, "LABELS", c.labels, "ANNOTATIONS", c.annotations).Replace(object))[0]
			if _, err := w.api(o.Unstructured).Create(t.Context(), o.Unstructured, metav1.CreateOptions{FieldManager: c.manager}); err != nil {
				t.Fatal(err)
			}
			before := w.uid("ConfigMap", "v1", name)
			hooks := w.hooks("{kind: ConfigMap, apiVersion: v1, metadata: {name: "+name+"}, data: {a: made}}", "pre-install")
			survey := w.surveyHooks(hooks, plan.Provisions{}, "pre-install")
			err := w.run(t.Context(), hooks, execute.HookRun{Event: "pre-install", Revision: 1})
			if c.reason == "" {
				if err != nil || strings.Contains(survey, "refused") || w.uid("ConfigMap", "v1", name) == before {
					t.Errorf("it is not replaced: %v\n%s", err, survey)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.reason) || !strings.Contains(survey, c.reason) {
				t.Errorf("want %q: %v\n%s", c.reason, err, survey)
			}
			if w.uid("ConfigMap", "v1", name) != before {
				t.Error("it was deleted")
			}
		})
	}
}

func TestAHookThatRunsIsWaitedForAfterAnInterruption(t *testing.T) {
	w := newWorld(t, "")
	hooks := w.hooks(stuck(), "pre-upgrade", "post-upgrade")
	run := execute.HookRun{Event: "pre-upgrade", Revision: 3}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.run(ctx, hooks, run) }()
	w.until("the Job is there", func() bool { return w.get("Job", "batch/v1", "migrate") != nil })
	cancel()
	if err := <-done; err == nil {
		t.Error("an interruption ended well")
	}
	first := w.uid("Job", "batch/v1", "migrate")
	w.cluster = w.connect("") // a new process
	var ran atomic.Int32
	run.Ran = func(int, manifest.Hook, time.Time, error) error {
		ran.Add(1)
		return nil
	}
	go func() { done <- w.run(t.Context(), hooks, run) }()
	w.provide()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if w.uid("Job", "batch/v1", "migrate") != first || ran.Load() != 1 {
		t.Errorf("it was started again, or told %d times", ran.Load())
	}
	// It has ended, and nobody heard of it.
	if err := w.run(t.Context(), hooks, run); err != nil || w.uid("Job", "batch/v1", "migrate") != first {
		t.Errorf("it was started again once it had ended: %v", err)
	}
	last := first
	for what, other := range map[string]execute.HookRun{
		"another event":    {Event: "post-upgrade", Revision: 3},
		"another revision": {Event: "pre-upgrade", Revision: 4},
		"another request":  {Event: "pre-upgrade", Revision: 4, Request: "2026-11-26T12:00:00Z"},
		"none":             {Event: "pre-upgrade"},
	} {
		if err := w.run(t.Context(), hooks, other); err != nil {
			t.Fatal(err)
		}
		again := w.uid("Job", "batch/v1", "migrate")
		if again == last {
			t.Errorf("for %s it was not started anew", what)
		}
		last = again
	}
}

// provide has a node for what is stuck.
func (w *world) provide() {
	w.t.Helper()
	nodes := w.dyn.Resource(schema.GroupVersionResource{Version: "v1", Resource: "nodes"})
	all, err := nodes.List(context.Background(), metav1.ListOptions{})
	if err != nil || len(all.Items) == 0 {
		w.t.Fatalf("there is no node: %v", err)
	}
	label := []byte(`{"metadata":{"labels":{"` + w.space + `":"yes"}}}`)
	if _, err := nodes.Patch(context.Background(), all.Items[0].GetName(), types.MergePatchType, label, metav1.PatchOptions{}); err != nil {
		w.t.Fatal(err)
	}
}

func TestAHookHasUntilTheDeadlineAndNoLonger(t *testing.T) {
	w := newWorld(t, "")
	hooks := w.hooks(stuck(), "pre-upgrade")
	run := execute.HookRun{Event: "pre-upgrade", Revision: 1, Bounds: wait.Within(time.Second, time.Now())}
	if err := w.run(t.Context(), hooks, run); !isUnhealthy(err) {
		t.Errorf("it ends with: %v", err)
	}
	first := w.uid("Job", "batch/v1", "migrate")
	// An interruption gives it no more time.
	if err := w.run(t.Context(), hooks, run); !isUnhealthy(err) || !strings.Contains(err.Error(), "not healthy after 1s") {
		t.Errorf("on resumption it ends with: %v", err)
	}
	if w.uid("Job", "batch/v1", "migrate") != first {
		t.Error("it was started again")
	}
}

func TestTheDeletionOfAHookHasUntilTheDeadline(t *testing.T) {
	w := newWorld(t, "")
	hooks := w.hooks("{kind: ConfigMap, apiVersion: v1, metadata: {name: held, finalizers: [example.com/x]}}", "pre-upgrade")
	if err := w.run(t.Context(), hooks, execute.HookRun{Event: "pre-upgrade", Revision: 1}); err != nil {
		t.Fatal(err)
	}
	err := w.run(t.Context(), hooks, execute.HookRun{Event: "pre-upgrade", Revision: 2, Bounds: wait.Within(time.Second, time.Now())})
	if !isUnhealthy(err) || !strings.Contains(err.Error(), "finalizers [example.com/x] hold it") {
		t.Errorf("it ends with: %v", err)
	}
}

// broken answers some requests with an error of the server's, so many times.
func (w *world) broken(times int32, which func(*http.Request) bool) {
	var answered atomic.Int32
	fault := func(r *http.Request) *http.Response {
		if !which(r) || answered.Add(1) > times {
			return nil
		}
		body := `{"kind":"Status","apiVersion":"v1","status":"Failure","message":"etcdserver: leader changed","code":500}`
		return &http.Response{StatusCode: 500, Status: "500 Internal Server Error", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
			Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body))}
	}
	w.fault.Store(&fault)
}

func TestTroubleOfTheServerIsNobodysFailure(t *testing.T) {
	dry := func(r *http.Request) bool { return r.Method == http.MethodPatch && r.URL.Query().Get("dryRun") != "" }
	write := func(r *http.Request) bool { return r.Method == http.MethodPatch && r.URL.Query().Get("dryRun") == "" }
	remove := func(r *http.Request) bool { return r.Method == http.MethodDelete }
	for sentence, which := range map[string]func(*http.Request) bool{"of a dry-run": dry, "of a write": write, "of a deletion": remove} {
		t.Run(sentence, func(t *testing.T) {
			w := newWorld(t, "")
			told := 0
			run := execute.HookRun{Event: "pre-upgrade", Revision: 1, Ran: func(_ int, _ manifest.Hook, _ time.Time, err error) error {
				told++
				return err
			}}
			hooks := w.hooks("{kind: ConfigMap, apiVersion: v1, metadata: {name: hook}}", "pre-upgrade")
			if err := w.run(t.Context(), hooks, run); err != nil {
				t.Fatal(err)
			}
			w.broken(2, which) // it passes
			w.apply("{kind: ConfigMap, apiVersion: v1, metadata: {name: x}}")
			run.Revision++
			if err := w.run(t.Context(), hooks, run); err != nil || told != 2 {
				t.Errorf("trouble that passes: %v, told %d times", err, told)
			}
			w.broken(1000, which) // it stays

			// A hook is dry-run by its survey alone.
			if sentence == "of a dry-run" {
				if _, err := w.cluster.Surveyor.Hooks(t.Context(), w.owner, w.hooks(migration("Never"), "pre-upgrade"), []string{"pre-upgrade"}, plan.Provisions{}); !apierror.Transient(err) {
					t.Errorf("trouble that stays: %v", err)
				}
				return
			}
			run.Revision++
			if err := w.run(t.Context(), hooks, run); !apierror.Transient(err) || told != 2 {
				t.Errorf("trouble that stays: %v, told %d times", err, told)
			}
		})
	}
}
