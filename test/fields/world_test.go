// Package fields_test holds what is applied to a real API server to what becomes of its
// fields: those that exclude each other, those that others own, and those that nobody
// sets.
package fields_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"

	"github.com/xetys/tether/apply"
	"github.com/xetys/tether/apply/plan"
	"github.com/xetys/tether/apply/wait"
	"github.com/xetys/tether/render/manifest"
	"github.com/xetys/tether/test/cluster"
)

func TestMain(m *testing.M) { cluster.Main(m) }

// world is a namespace, with a release in it that is applied as the agent does it.
type world struct {
	t       *testing.T
	space   string
	server  *cluster.Cluster
	cluster *apply.Cluster
	owner   plan.Owner
	past    []manifest.Object
}

var worlds atomic.Int32

func newWorld(t *testing.T) *world { return newWorldAs(t, "") }

// newWorldAs gives the agent the identity of a user; of an administrator if empty.
func newWorldAs(t *testing.T, user string) *world {
	t.Helper()
	w := &world{t: t, server: cluster.Shared(t), space: fmt.Sprintf("fields-%d-%d", os.Getpid(), worlds.Add(1))}
	config := rest.CopyConfig(w.server.Config)
	config.WarningHandler = rest.NoWarnings{}
	config.Impersonate.UserName = user
	var err error
	if w.cluster, err = apply.Connect(config, w.space, apply.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.cluster.Close)
	w.owner = plan.Owner{Environment: w.space, Name: "web", Namespace: w.space}
	w.kubectl("create", "namespace", w.space)
	return w
}

func (w *world) parse(text string) []manifest.Object {
	w.t.Helper()
	text = strings.ReplaceAll(text, "$NS", w.space)
	objects, err := manifest.Parse(text, w.space, w.cluster.Namespaced)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.owner.Mark(objects)
}

// plan surveys what is wanted, and what was applied before, as the preflight does.
func (w *world) plan(want []manifest.Object) (plan.Plan, error) {
	w.t.Helper()
	ctx := context.Background()
	w.owner = w.owner.Scales(want, w.past)
	want, err := w.cluster.Surveyor.Relinquish(ctx, w.owner, want, w.past)
	if err != nil {
		return plan.Plan{}, err
	}
	provisions := plan.ProvisionsOf(want)
	observations, err := w.cluster.Surveyor.Survey(ctx, want, w.past, provisions)
	if err != nil {
		return plan.Plan{}, err
	}
	return plan.NewPlan(w.owner, want, w.past, observations, provisions), nil
}

// try carries a manifest out; an error is the preflight's, or of the writes.
func (w *world) try(text string) error {
	w.t.Helper()
	want := w.parse(text)
	plan, err := w.plan(want)
	if err != nil {
		return err
	}
	for _, r := range plan.Refusals() {
		return fmt.Errorf("%s is refused: %s", r.ID, r.Why)
	}
	if err := w.cluster.Executor.Apply(context.Background(), context.Background(), w.owner, plan, nil); err != nil {
		return err
	}
	if err := w.cluster.Executor.Prune(context.Background(), plan, wait.Within(time.Minute, time.Now()), nil); err != nil {
		return err
	}
	w.past = want
	return nil
}

// deploy carries a manifest out, and holds the cluster to be in place then: another look
// has nothing to write, whatever is known from before.
func (w *world) deploy(text string) {
	w.t.Helper()
	if err := w.try(text); err != nil {
		w.t.Fatal(err)
	}
	w.inPlace(text)
}

func (w *world) inPlace(text string) plan.Plan {
	w.t.Helper()
	want := w.parse(text)
	var ids []manifest.ID
	for _, o := range want {
		ids = append(ids, o.ID())
	}
	w.cluster.Live.Placements.Invalidate(ids)
	plan, err := w.plan(want)
	if err != nil {
		w.t.Fatal(err)
	}
	if plan.Pending() {
		w.t.Fatalf("it is not in place:\n%s", plan)
	}
	return plan
}

func (w *world) kubectl(args ...string) string {
	w.t.Helper()
	return w.server.Kubectl(w.t, w.in(args)...)
}

func (w *world) in(args []string) []string {
	out := []string{"--namespace", w.space}
	for _, a := range args {
		out = append(out, strings.ReplaceAll(a, "$NS", w.space))
	}
	return out
}

// pipe runs kubectl with a text on its standard input, as a field manager.
func (w *world) pipe(text string, args ...string) {
	w.t.Helper()
	binary, err := cluster.Binary("controlplane")
	if err != nil {
		w.t.Fatal(err)
	}
	cmd := exec.Command(binary, append([]string{"kubectl", "--kubeconfig", w.server.Kubeconfig}, w.in(args)...)...)
	cmd.Stdin = strings.NewReader(strings.ReplaceAll(text, "$NS", w.space))
	if out, err := cmd.CombinedOutput(); err != nil {
		w.t.Fatalf("kubectl %v: %v\n%s", args, err, out)
	}
}

// get reads an object, such as deployment/web.
func (w *world) get(what string) *unstructured.Unstructured {
	w.t.Helper()
	u := &unstructured.Unstructured{}
	if err := json.Unmarshal([]byte(w.kubectl("get", what, "--output", "json", "--show-managed-fields")), &u.Object); err != nil {
		w.t.Fatal(err)
	}
	return u
}

// field is a part of an object as JSON, by jsonpath; nothing if it is not there.
func (w *world) field(what, path string) string {
	w.t.Helper()
	return w.kubectl("get", what, "--output", "jsonpath="+path)
}

func (w *world) holds(what, path, want string) {
	w.t.Helper()
	if have := w.field(what, path); have != want {
		w.t.Errorf("%s of %s is %q, want %q", path, what, have, want)
	}
}

func (w *world) until(what string, holds func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); {
		if time.Now().After(deadline) {
			w.t.Fatalf("not seen within a minute: %s", what)
		}
		time.Sleep(20 * time.Millisecond) // between two looks at a condition
	}
}

// audit is what the API server was asked for, a line each.
func (w *world) audit() string {
	w.t.Helper()
	raw, err := os.ReadFile(w.server.AuditLog)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(raw)
}
