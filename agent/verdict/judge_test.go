package verdict

import (
	"errors"
	"testing"
	"time"

	"github.com/xetys/tether/agent/assess"
	"github.com/xetys/tether/agent/deploy"
	"github.com/xetys/tether/agent/observed"
	"github.com/xetys/tether/agent/retry"
)

// A time to try again that has come, for a release that may not be tried, is no reason to
// reconcile again at once, and again.
func TestARetryThatMayNotBeMadeIsForgotten(t *testing.T) {
	key := observed.Key{Namespace: "prod", Name: "web"}
	for sentence, c := range map[string]struct {
		waits error
		left  bool
	}{
		"one whose time has come is forgotten": {nil, false},
		"one whose time is to come is kept":    {errors.New("no record"), true},
	} {
		w := &Writer{Retries: retry.New()}
		w.Retries.Postpone(key, errors.New("no record"), time.Now())
		r := &assess.Release{Key: key}
		r.Waits = c.waits
		if err := w.recordJobs([]*deploy.Job{{Release: r}}, nil); err != nil || w.Retries.Any() != c.left {
			t.Errorf("%s: %v, %v", sentence, err, w.Retries.Any())
		}
	}
}
