package agent

import (
	"context"
	"fmt"

	"github.com/xetys/tether/apply"
)

// watched is the namespace whose labels are watched, and what ends that.
type watched struct {
	name string
	end  context.CancelFunc
}

// labelNamespace keeps the environment's namespace labelled as environment.yaml says. No
// release needs to be rolled out for it. It looks when a commit was read, and when somebody
// touched the labels.
func (e *environment) labelNamespace(ctx context.Context, s *seen) error {
	env := s.load.env
	if env == nil || s.load.unread() != nil || s.load.gone || len(s.refusals) > 0 || e.controlNow().Paused("", e.agent.opts.Now()) != nil {
		return nil
	}
	if len(env.NamespaceLabels) > 0 { // else there is nothing to put back
		if err := e.watchNamespace(ctx, env.Namespace); err != nil {
			return err
		}
	}
	e.mu.Lock()
	due := e.labelled != s.load
	drifted := e.labelled != nil && e.labelled.commit == s.load.commit
	e.mu.Unlock()
	if !due {
		return nil
	}
	if env.Drift != "report" || !drifted {
		changed, err := e.cluster.LabelNamespace(ctx, env.Namespace, env.NamespaceLabels)
		if err != nil && (apply.Transient(err) || ctx.Err() != nil) {
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
	e.mu.Lock()
	e.labelled = s.load
	e.mu.Unlock()
	return nil
}

func (e *environment) watchNamespace(ctx context.Context, name string) error {
	if e.space.name == name {
		return nil
	}
	if e.space.end != nil {
		e.space.end()
	}
	watching, end := context.WithCancel(ctx)
	e.space = watched{name, end}
	return e.cluster.WatchNamespace(watching, name, func() {
		e.mu.Lock()
		stirred := e.labelled != nil
		if stirred {
			e.labelled = &loaded{commit: e.labelled.commit} // as of another look
		}
		e.mu.Unlock()
		if stirred {
			e.trigger()
		}
	})
}
