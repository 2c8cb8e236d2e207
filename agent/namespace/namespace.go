// Package namespace sets the labels of an environment's namespace that environment.yaml asks
// for.
//
// It does not know releases: labels need no rollout.
package namespace

import (
	"context"
	"fmt"

	"github.com/xetys/tether/agent/assess"
	"github.com/xetys/tether/agent/inbox"
	"github.com/xetys/tether/agent/verdict"
	"github.com/xetys/tether/apply/apierror"
)

// Labels keep the labels of one namespace. Keep and Clear are for the loop alone.
type Labels struct {
	*assess.Site
	Inbox    *inbox.Inbox
	Messages *verdict.Messages

	labels labels
}

// Clear has the labels compared by the next Keep, whatever was seen of them before.
func (n *Labels) Clear() { n.labels.clear() }

// Ensure has the namespace labelled as a commit says. It compares the labels when a commit was
// read, and when somebody changed them. An error is one to try again after; one of another kind
// is reported, and keeps no release from anything.
func (n *Labels) Ensure(ctx context.Context, s *assess.Assessment) error {
	env := s.Commit.Env
	if env == nil || s.Commit.Unread() != nil || s.Commit.Gone || len(s.Refusals) > 0 || n.Inbox.Control().Paused("", n.Now()) != nil {
		return nil
	}
	if len(env.NamespaceLabels) > 0 { // else there is nothing to put back
		if err := n.watch(ctx, env.Namespace); err != nil {
			return err
		}
	}
	due, drifted, edits := n.labels.due(s.Commit)
	if !due {
		return nil
	}
	if env.Drift != "report" || !drifted {
		changed, err := n.Cluster.LabelNamespace(ctx, env.Namespace, env.NamespaceLabels)
		if err != nil && (apierror.Transient(err) || ctx.Err() != nil) {
			return err
		}
		n.report(ctx, env.Namespace, changed, err)
	}
	if !n.labels.inPlace(s.Commit, edits) {
		n.Inbox.Trigger()
	}
	return nil
}

func (n *Labels) report(ctx context.Context, name string, changed bool, err error) {
	switch {
	case err != nil:
		n.Messages.Log.Error("the namespace can't be labelled", "namespace", name, "error", err)
		n.Messages.Reporter.Event(ctx, "Warning", "Namespace", fmt.Sprintf("namespace %s can't be labelled: %v", name, err))
	case changed:
		n.Messages.Log.Info("namespace labelled", "namespace", name)
		n.Messages.Reporter.Event(ctx, "Normal", "Namespace", fmt.Sprintf("namespace %s has the labels that environment.yaml gives it", name))
	}
}

func (n *Labels) watch(ctx context.Context, name string) error {
	if n.labels.watched == name {
		return nil
	}
	if n.labels.end != nil {
		n.labels.end()
	}
	watching, end := context.WithCancel(ctx)
	n.labels.watched, n.labels.end = name, end
	return n.Cluster.WatchNamespace(watching, name, func() {
		if n.labels.edited() {
			n.Inbox.Trigger()
		}
	})
}
