// Package verify runs the checks of a release: requests to addresses and Services, and Helm's
// test hooks.
//
// It does not know health, plans or records, nor what a failure leads to.
package verify

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/xetys/tether/apply/execute"
	"github.com/xetys/tether/apply/health"
	"github.com/xetys/tether/apply/judge"
	"github.com/xetys/tether/apply/kube"
	"github.com/xetys/tether/apply/plan"
	"github.com/xetys/tether/apply/pods"
	"github.com/xetys/tether/apply/wait"
	"github.com/xetys/tether/render/manifest"
	"github.com/xetys/tether/source/outbound"
)

// Error says that a release's objects are healthy, but a check of the release fails. It wraps
// nothing, because an error of the network in a check is a failure of the release, and not
// transient.
type Error struct {
	Check   manifest.Check
	Reason  string
	Timeout time.Duration
	// Output is how the log of a test hook's container ends; nil if nobody knows.
	Output *pods.Output
}

// Said implements what wait.Said asks.
func (e *Error) Said() *pods.Output { return e.Output }

// Error names the check and the error of its last try.
func (e *Error) Error() string {
	return fmt.Sprintf("verify %s: %s (tried for %s)", e.Check, e.Reason, e.Timeout)
}

// The pauses between tries of a check.
const (
	firstPause = 250 * time.Millisecond
	maxPause   = 5 * time.Second
)

// lastTry is how long the try at the deadline may take, so that it is one.
const lastTry = 2 * time.Second

// Verifier tries checks in one cluster. It is safe for concurrent use.
type Verifier struct {
	client *kube.Client
	hooks  *execute.Hooks
	// Reach says what the addresses of checks may lead to; it is set before the first.
	Reach outbound.Rule
}

// New returns a Verifier that runs test hooks with hooks.
func New(client *kube.Client, hooks *execute.Hooks) *Verifier {
	return &Verifier{client: client, hooks: hooks}
}

// Verify runs a release's checks, one after the other, each repeated until it passes or the
// deadline in bounds comes. progress is as in wait.Waiter.ForHealthy.
func (v *Verifier) Verify(ctx context.Context, rel plan.Owner, hooks []manifest.Hook, checks []manifest.Check, bounds wait.Bounds, progress func([]judge.Health)) error {
	for _, check := range checks {
		if err := v.verify(ctx, rel, hooks, check, bounds, progress); err != nil {
			return err
		}
	}
	return nil
}

// verify tries one check until it passes; the last try is at the deadline.
func (v *Verifier) verify(ctx context.Context, rel plan.Owner, hooks []manifest.Hook, check manifest.Check, bounds wait.Bounds, progress func([]judge.Health)) error {
	var last error
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		over := bounds.Over(time.Now())
		err := v.check(ctx, rel, hooks, check, bounds)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		late := bounds.Over(time.Now())
		if last == nil || !late || !cutShort(err) {
			last = err
		}
		if over || late && check.Test {
			return &Error{Check: check, Reason: last.Error(), Timeout: bounds.Timeout, Output: wait.Said(last)}
		}
		if progress != nil {
			progress([]judge.Health{{ID: manifest.ID{Kind: "Check", Name: check.String()}, State: health.Progressing, Reason: err.Error()}})
		}
		select {
		case <-time.After(min(pause, bounds.Left(time.Now()))):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// cutShort reports whether a try was ended by its time: what an earlier one was answered
// says more.
func cutShort(err error) bool {
	var unhealthy *wait.UnhealthyError
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &unhealthy) && unhealthy.TimedOut
}

func (v *Verifier) check(ctx context.Context, rel plan.Owner, hooks []manifest.Hook, check manifest.Check, bounds wait.Bounds) error {
	if check.Test {
		return v.hooks.Run(ctx, rel, hooks, execute.HookRun{Event: plan.Test, Bounds: bounds})
	}
	ctx, cancel := context.WithTimeout(ctx, min(kube.RequestTimeout, max(bounds.Left(time.Now()), lastTry)))
	defer cancel()
	ask := v.askURL
	if check.Service != nil {
		ask = v.askService
	}
	status, body, err := ask(ctx, rel.Namespace, check)
	if err != nil {
		return err
	}
	return check.Judge(status, body)
}

// maxBody bounds what is read of an answer.
const maxBody = 1 << 20

func (v *Verifier) askURL(ctx context.Context, _ string, check manifest.Check) (int, []byte, error) {
	// A commit's author chooses the address: it leads to where the agent's
	// configuration lets it, and no redirect leads on from there.
	client := http.Client{
		CheckRedirect: func(next *http.Request, via []*http.Request) error { return sameServer(check, next, via) },
		Transport: v.Reach.Transport(&http.Transport{
			Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, MaxResponseHeaderBytes: maxBody, ForceAttemptHTTP2: true,
		}),
	}
	return get(ctx, &client, check.URL)
}

// maxRedirects is how many redirects are followed within a server.
const maxRedirects = 10

// sameServer refuses a redirect to another server, and stops at one that is what the
// check expects.
func sameServer(check manifest.Check, next *http.Request, via []*http.Request) error {
	from := via[len(via)-1].URL
	switch {
	case check.Status/100 == 3:
		return http.ErrUseLastResponse
	case !outbound.SameOrigin(from, next.URL):
		return &outbound.RedirectError{From: outbound.Address(from), To: outbound.Address(next.URL)}
	case len(via) >= maxRedirects:
		return fmt.Errorf("it redirects more than %d times", maxRedirects)
	}
	return nil
}
