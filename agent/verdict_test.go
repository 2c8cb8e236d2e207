package agent

import (
	"errors"
	"testing"
	"time"

	"github.com/xetys/tether/agent/assess"
	"github.com/xetys/tether/agent/observed"
)

// A time to try again that has come, for a release that may not be tried, is no reason to
// look again at once, and again.
func TestARetryThatMayNotBeMadeIsForgotten(t *testing.T) {
	key := observed.Key{Namespace: "prod", Name: "web"}
	for sentence, c := range map[string]struct {
		waits error
		left  int
	}{
		"one whose time has come is forgotten": {nil, 0},
		"one whose time is to come is kept":    {errors.New("no record"), 1},
	} {
		e := &environment{memory: memory{retries: &retries{of: map[observed.Key]*retry{key: {until: time.Now()}}}}}
		r := &assess.Release{Key: key}
		r.Waits = c.waits
		if err := e.settle([]*job{{Release: r}}, nil); err != nil || len(e.retries.of) != c.left {
			t.Errorf("%s: %v, %v", sentence, err, e.retries.of)
		}
	}
}
