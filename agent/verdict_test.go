package agent

import (
	"errors"
	"testing"
	"time"
)

// A time to try again that has come, for a release that may not be tried, is no reason to
// look again at once, and again.
func TestARetryThatMayNotBeMadeIsForgotten(t *testing.T) {
	key := releaseKey{"prod", "web"}
	for sentence, c := range map[string]struct {
		waits error
		left  int
	}{
		"one whose time has come is forgotten": {nil, 0},
		"one whose time is to come is kept":    {errors.New("no record"), 1},
	} {
		e := &environment{retries: &retries{of: map[releaseKey]*retry{key: {until: time.Now()}}}}
		if err := e.settle([]*job{{key: key, waits: c.waits}}, nil); err != nil || len(e.retries.of) != c.left {
			t.Errorf("%s: %v, %v", sentence, err, e.retries.of)
		}
	}
}
