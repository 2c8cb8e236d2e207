package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
)

const (
	backend  = "xuangong-backend"
	app      = "xuangong-app"
	database = "xuangong-prod-postgresql"
	goodTag  = "v2025.1.0-alpha4"
	badTag   = "v2025.1.0-imagepullbackoff"
	noTag    = "latest"
	// elsewhere is a registry that production's scheme of versions says nothing of.
	elsewhere = "registry.example.com/xuangong/api"
)

// comesUp waits for the first verdict and checks the order from the objects' own
// times.
func (d *demo) comesUp(ctx context.Context) error {
	head, err := d.repo.push(ctx)
	if err != nil {
		return err
	}
	if err := d.verdict(ctx, head, "applied"); err != nil {
		return err
	}
	front, err := d.deployment(ctx, app)
	if err != nil {
		return err
	}
	back, err := d.deployment(ctx, backend)
	if err != nil {
		return err
	}
	db, err := d.kube.AppsV1().StatefulSets(namespace).Get(ctx, database, metav1.GetOptions{})
	if err != nil {
		return err
	}
	if db.Status.ReadyReplicas != 1 {
		return fmt.Errorf("PostgreSQL has %d ready replicas instead of 1", db.Status.ReadyReplicas)
	}
	if up := availableSince(back); front.CreationTimestamp.Time.Before(up.Truncate(time.Second)) {
		return fmt.Errorf("the app was created at %s, before the backend was available at %s", front.CreationTimestamp, up)
	}
	if front.CreationTimestamp.Before(&db.CreationTimestamp) {
		return errors.New("the app was created before PostgreSQL")
	}
	d.say("   PostgreSQL created %s, backend available %s, app created %s",
		clock(db.CreationTimestamp.Time), clock(availableSince(back)), clock(front.CreationTimestamp.Time))
	return nil
}

func clock(t time.Time) string { return t.Format("15:04:05") }

func availableSince(d *appsv1.Deployment) time.Time {
	for _, c := range d.Status.Conditions {
		if c.Type == appsv1.DeploymentAvailable && c.Status == corev1.ConditionTrue {
			return c.LastTransitionTime.Time
		}
	}
	return time.Unix(1<<40, 0) // never: later than anything
}

// bump rolls the backend and checks that nothing else moved.
func (d *demo) bump(ctx context.Context) error {
	before, err := d.pods(ctx, app)
	if err != nil {
		return err
	}
	if _, err := d.repo.setTag(backend, goodTag); err != nil {
		return err
	}
	head, err := d.repo.commit(ctx, "Bump backend to "+goodTag)
	if err != nil {
		return err
	}
	if err := d.verdict(ctx, head, "applied"); err != nil {
		return err
	}
	if err := d.runsTag(ctx, backend, goodTag); err != nil {
		return err
	}
	after, err := d.pods(ctx, app)
	if err != nil {
		return err
	}
	if !slices.Equal(before, after) {
		return fmt.Errorf("the app's pods changed: %v before, %v after", before, after)
	}
	return nil
}

// drift edits the app as kubectl edit would, and waits until it is undone and
// reported with the culprit's name.
func (d *demo) drift(ctx context.Context) error {
	deployments := d.kube.AppsV1().Deployments(namespace)
	front, err := d.deployment(ctx, app)
	if err != nil {
		return err
	}
	good := front.Spec.Template.Spec.Containers[0].Image
	front.Spec.Template.Spec.Containers[0].Image = "example.com/by-hand:1"
	if _, err := deployments.Update(ctx, front, metav1.UpdateOptions{FieldManager: "kubectl-edit"}); err != nil {
		return err
	}
	return d.until(ctx, func() error {
		front, err := d.deployment(ctx, app)
		if err != nil {
			return err
		}
		if have := front.Spec.Template.Spec.Containers[0].Image; have != good {
			return fmt.Errorf("the app's image is %s, not %s", have, good)
		}
		events, err := d.kube.CoreV1().Events(system).List(ctx, metav1.ListOptions{FieldSelector: "reason=Drift"})
		if err != nil {
			return err
		}
		for _, e := range events.Items {
			if strings.Contains(e.Message, "kubectl-edit") && strings.Contains(e.Message, "image") {
				d.say("   event: %s", e.Message)
				return nil
			}
		}
		return errors.New("no event names kubectl-edit and the image")
	})
}

// forbid asks for a tag that the environment forbids, and checks that nothing changes.
func (d *demo) forbid(ctx context.Context) error {
	if _, err := d.repo.setTag(backend, noTag); err != nil {
		return err
	}
	head, err := d.repo.commit(ctx, "Bump backend to "+noTag)
	if err != nil {
		return err
	}
	if err := d.verdict(ctx, head, "refused"); err != nil {
		return err
	}
	return d.runsTag(ctx, backend, goodTag)
}

// breakImage deploys what cannot be pulled and waits until the backend is back.
func (d *demo) breakImage(ctx context.Context) error {
	if _, err := d.repo.setTag(backend, badTag); err != nil {
		return err
	}
	if err := d.repo.setRepository(backend, elsewhere); err != nil {
		return err
	}
	head, err := d.repo.commit(ctx, "Run the backend from "+elsewhere)
	if err != nil {
		return err
	}
	if err := d.verdict(ctx, head, "rolled-back"); err != nil {
		return err
	}
	return d.runsTag(ctx, backend, goodTag)
}

// revert takes the two bad commits back in git; the cluster is there already.
func (d *demo) revert(ctx context.Context) error {
	if err := run(ctx, d.repo.work, "git", "revert", "--no-edit", "HEAD", "HEAD~1"); err != nil {
		return err
	}
	head, err := d.repo.push(ctx)
	if err != nil {
		return err
	}
	if err := d.verdict(ctx, head, "applied", "no-op"); err != nil {
		return err
	}
	return d.runsTag(ctx, backend, goodTag)
}

// verdict waits until tether status shows one of the verdicts for a commit.
func (d *demo) verdict(ctx context.Context, commit string, want ...string) error {
	return d.until(ctx, func() error {
		out, err := exec.CommandContext(ctx, d.Tether, "status", environment, "-o", "json", "--kubeconfig", d.kubefile, "--namespace", system).Output()
		if err != nil {
			return fmt.Errorf("tether status: %w", err)
		}
		var s struct {
			Head            struct{ Commit string }
			Verdict, Reason string
		}
		if err := json.Unmarshal(out, &s); err != nil {
			return err
		}
		if s.Head.Commit != commit || !slices.Contains(want, s.Verdict) {
			return fmt.Errorf("commit %.7s is %s (%s), instead of %.7s %s", s.Head.Commit, s.Verdict, s.Reason, commit, strings.Join(want, " or "))
		}
		return nil
	})
}

// until tries a check until it holds; when time runs out, or the agent is gone,
// it returns what was last wrong.
func (d *demo) until(ctx context.Context, check func() error) error {
	last := errors.New("not checked yet")
	err := wait.PollUntilContextCancel(ctx, 200*time.Millisecond, true, func(context.Context) (bool, error) {
		select {
		case <-d.exited:
			return false, errors.New("the agent has ended")
		default:
		}
		last = check()
		return last == nil, nil
	})
	if err != nil {
		return fmt.Errorf("%w: %w", context.Cause(ctx), last)
	}
	return nil
}

func (d *demo) deployment(ctx context.Context, name string) (*appsv1.Deployment, error) {
	return d.kube.AppsV1().Deployments(namespace).Get(ctx, name, metav1.GetOptions{})
}

// runsTag checks that a Deployment and all its ready replicas run a tag.
func (d *demo) runsTag(ctx context.Context, name, tag string) error {
	dep, err := d.deployment(ctx, name)
	if err != nil {
		return err
	}
	if image := dep.Spec.Template.Spec.Containers[0].Image; !strings.HasSuffix(image, ":"+tag) {
		return fmt.Errorf("%s runs %s, not %s", name, image, tag)
	}
	if s := dep.Status; s.UpdatedReplicas != s.Replicas || s.AvailableReplicas != s.Replicas || s.Replicas == 0 {
		return fmt.Errorf("%s has %d replicas, of which %d are updated and %d available", name, s.Replicas, s.UpdatedReplicas, s.AvailableReplicas)
	}
	return nil
}

// pods returns the UIDs of a release's pods, sorted.
func (d *demo) pods(ctx context.Context, name string) ([]string, error) {
	list, err := d.kube.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=" + name})
	if err != nil {
		return nil, err
	}
	var out []string
	for _, p := range list.Items {
		out = append(out, string(p.UID))
	}
	slices.Sort(out)
	if len(out) == 0 {
		return nil, fmt.Errorf("%s has no pods", name)
	}
	return out, nil
}
