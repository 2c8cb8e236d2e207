package agent

import (
	"github.com/xetys/tether/agent/assess"
	"github.com/xetys/tether/agent/observed"
	"github.com/xetys/tether/agent/rollout"
)

// executor returns who carries out what was decided for a commit.
func (e *environment) executor(a *assess.Assessor, l *assess.Commit) *rollout.Executor {
	return rollout.New(a.Surveyor, rollout.Options{Commit: l, Request: a.Control.Request(), HistoryMax: e.agent.opts.HistoryMax, Log: e.log, Metrics: e.agent.metrics, Say: e.reporter.Say,
		Waiting: func(key observed.Key, what string) {
			e.rollouts.wait(key, what)
			e.inbox.nudge()
		},
		Reverts: func(commit string) string {
			if head := e.inbox.headNow(); head.SHA == commit {
				return head.Reverts
			}
			return ""
		},
		Beside: &e.rollouts.beside})
}
