package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/agent/retry"
	"github.com/xetys/tether/agent/rollout"
	"github.com/xetys/tether/agent/verdict"
)

// once makes passes until the head has a verdict, and returns an error if it is not a good one.
// It holds the environment's Lease meanwhile: of two that run at once, one waits for the other.
func (e *environment) once(ctx context.Context) error {
	ended := fmt.Errorf("environment %s: interrupted; another run goes on with it", e.Environment)
	if err := e.candidate.Once(ctx, func(ctx context.Context) {
		ended = e.passUntilVerdict(ctx)
		e.rollouts.Wait()
	}); err != nil {
		return err
	}
	if err := e.candidate.Trouble(); err != nil && ended != nil {
		return err
	}
	return ended
}

func (e *environment) passUntilVerdict(ctx context.Context) error {
	var backoff retry.Backoff
	const tries = 4
	for try := 1; ; try++ {
		err := e.pass(ctx)
		if d := e.rollouts.Current(); err == nil && d != nil {
			<-d.Done
			err = e.pass(ctx)
		}
		switch {
		case err == nil || errors.Is(err, verdict.ErrRefused):
			return verdictOf(e.Environment, e.verdicts.Ledger.Head())
		case errors.Is(err, rollout.ErrInterrupted):
			continue
		case ctx.Err() != nil:
			return fmt.Errorf("environment %s: interrupted; another run goes on with it", e.Environment)
		case try >= tries:
			return fmt.Errorf("environment %s: %w", e.Environment, err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(backoff.Next()):
		}
	}
}

// VerdictError says that an environment is not what git asks for.
type VerdictError struct {
	Environment string
	ledger.Entry
}

// Error says which commit got which verdict, and why.
func (v *VerdictError) Error() string {
	return fmt.Sprintf("environment %s: %s at %.7s: %s", v.Environment, v.Verdict, v.Commit.Commit, v.Reason)
}

// verdictOf returns an error if the head of an environment is not live.
func verdictOf(environment string, head *ledger.Entry) error {
	if head == nil || head.Verdict == ledger.Applied || head.Verdict == ledger.NoOp {
		return nil
	}
	return &VerdictError{Environment: environment, Entry: *head}
}
