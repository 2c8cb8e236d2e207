package apierror

import (
	"context"
	"errors"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// How often a single request is sent again before its trouble becomes the whole
// look's, and the pause before the first repetition.
const (
	repetitions = 3
	repeatPause = 100 * time.Millisecond
)

// RetryPauses returns a function that returns the pause before each repetition of a request, and
// false once it is not to be sent again.
func RetryPauses() func() (pause time.Duration, again bool) {
	n, next := 0, repeatPause
	return func() (time.Duration, bool) {
		pause := next
		n, next = n+1, next*2
		return pause, n <= repetitions
	}
}

// Retry repeats an idempotent request after transient errors, a few times and with a growing
// pause.
func Retry(ctx context.Context, request func() error) error {
	for pauses := RetryPauses(); ; {
		err := request()
		if err == nil || !momentary(err) {
			return err
		}
		pause, again := pauses()
		if !again {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return err
		}
	}
}

// momentary reports whether trouble may be over within the second. A webhook that is
// down, or what is still to come, takes longer; who asks for less is not asked more.
func momentary(err error) bool {
	var pending Pending
	return Transient(err) && !WebhookDown(err) && !apierrors.IsTooManyRequests(err) && !errors.As(err, &pending)
}

// MayBeTransient reports whether what the API server says with a code of 500 or more may be over within
// the second, as far as its text tells: it is not about an object, and no webhook's.
func MayBeTransient(message string) bool {
	return !denied(message) && !finalFault(message) && !strings.Contains(message, "webhook")
}
