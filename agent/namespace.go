package agent

import (
	"context"
	"fmt"

	"github.com/xetys/tether/apply/apierror"
)

// labelNamespace keeps the environment's namespace labelled as environment.yaml says. No
// release needs to be rolled out for it. It looks when a commit was read, and when somebody
// touched the labels.
func (e *environment) labelNamespace(ctx context.Context, s *seen) error {
	env := s.Commit.Env
	if env == nil || s.Commit.Unread() != nil || s.Commit.Gone || len(s.Refusals) > 0 || e.inbox.controlNow().Paused("", e.Now()) != nil {
		return nil
	}
	if len(env.NamespaceLabels) > 0 { // else there is nothing to put back
		if err := e.watchNamespace(ctx, env.Namespace); err != nil {
			return err
		}
	}
	due, drifted, edits := e.labels.due(s.Commit)
	if !due {
		return nil
	}
	if env.Drift != "report" || !drifted {
		changed, err := e.Cluster.LabelNamespace(ctx, env.Namespace, env.NamespaceLabels)
		if err != nil && (apierror.Transient(err) || ctx.Err() != nil) {
			return err
		}
		if err != nil { // it keeps no release from anything
			e.log.Error("the namespace can't be labelled", "namespace", env.Namespace, "error", err)
			e.reporter.Say(ctx, "Warning", "Namespace", fmt.Sprintf("namespace %s can't be labelled: %v", env.Namespace, err))
		}
		if changed && err == nil {
			e.log.Info("namespace labelled", "namespace", env.Namespace)
			e.reporter.Say(ctx, "Normal", "Namespace", fmt.Sprintf("namespace %s has the labels that environment.yaml gives it", env.Namespace))
		}
	}
	if !e.labels.inPlace(s.Commit, edits) {
		e.inbox.trigger()
	}
	return nil
}

func (e *environment) watchNamespace(ctx context.Context, name string) error {
	if e.labels.watched == name {
		return nil
	}
	if e.labels.end != nil {
		e.labels.end()
	}
	watching, end := context.WithCancel(ctx)
	e.labels.watched, e.labels.end = name, end
	return e.Cluster.WatchNamespace(watching, name, func() {
		if e.labels.touched() {
			e.inbox.trigger()
		}
	})
}
