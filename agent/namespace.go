package agent

import (
	"context"
	"fmt"
	"sync"

	"github.com/xetys/tether/apply/apierror"
)

// labels remember for which commit the namespace has its labels. They are safe for
// concurrent use: a watch tells when somebody touched them.
type labels struct {
	mu    sync.Mutex
	done  *loaded // the commit whose labels are in place
	edits int     // how often somebody touched them

	watched string             // the namespace; the loop's
	end     context.CancelFunc // ends the watch; the loop's
}

// forget has the labels looked at, and another watch begun: the last one ended with its lead.
func (l *labels) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.done, l.watched, l.end = nil, "", nil
}

// due reports whether the labels of a commit are to be looked at, whether they were in
// place before, and how often they were touched until now.
func (l *labels) due(at *loaded) (due, drifted bool, edits int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.done != at, l.done != nil && l.done.commit == at.commit, l.edits
}

// inPlace takes note that the labels were put in place; false if somebody touched them since
// they were looked at, so that they are to be looked at again.
func (l *labels) inPlace(at *loaded, edits int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.done = at; l.edits != edits {
		l.done = &loaded{commit: at.commit}
	}
	return l.edits == edits
}

// touched has the labels looked at again, and reports whether they ever were.
func (l *labels) touched() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.edits++; l.done == nil {
		return false
	}
	l.done = &loaded{commit: l.done.commit} // as of another look
	return true
}

// labelNamespace keeps the environment's namespace labelled as environment.yaml says. No
// release needs to be rolled out for it. It looks when a commit was read, and when somebody
// touched the labels.
func (e *environment) labelNamespace(ctx context.Context, s *seen) error {
	env := s.load.env
	if env == nil || s.load.unread() != nil || s.load.gone || len(s.refusals) > 0 || e.inbox.controlNow().Paused("", e.agent.opts.Now()) != nil {
		return nil
	}
	if len(env.NamespaceLabels) > 0 { // else there is nothing to put back
		if err := e.watchNamespace(ctx, env.Namespace); err != nil {
			return err
		}
	}
	due, drifted, edits := e.labels.due(s.load)
	if !due {
		return nil
	}
	if env.Drift != "report" || !drifted {
		changed, err := e.cluster.LabelNamespace(ctx, env.Namespace, env.NamespaceLabels)
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
	if !e.labels.inPlace(s.load, edits) {
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
	return e.cluster.WatchNamespace(watching, name, func() {
		if e.labels.touched() {
			e.inbox.trigger()
		}
	})
}
