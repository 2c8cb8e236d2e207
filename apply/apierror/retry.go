package apierror

import (
	"context"
	"errors"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// How often a single request is sent again before its trouble becomes the whole
// look's, and the pause before the first repetition.
const (
	repetitions = 3
	repeatPause = 100 * time.Millisecond
)

// Retry repeats an idempotent request that met trouble of the way, some times and
// with a growing pause.
func Retry(ctx context.Context, request func() error) error {
	pause := repeatPause
	for n := 0; ; n++ {
		err := request()
		if err == nil || n == repetitions || !momentary(err) {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return err
		}
		pause *= 2
	}
}

// momentary reports whether trouble may be over within the second. A webhook that is
// down, or what is still to come, takes longer; who asks for less is not asked more.
func momentary(err error) bool {
	var pending Pending
	return Transient(err) && !WebhookDown(err) && !apierrors.IsTooManyRequests(err) && !errors.As(err, &pending)
}
