package wait

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/xetys/tether/apply/health"
	"github.com/xetys/tether/apply/judge"
)

// While all that is open is held, the deadline waits, if it may.
func TestTheDeadlineWaitsForWhatIsHeld(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	held, busy := judge.Health{State: health.Progressing, Held: true}, judge.Health{State: health.Progressing}
	type step struct {
		after time.Duration
		open  []judge.Health
		left  time.Duration
	}
	for sentence, c := range map[string]struct {
		may   bool
		steps []step
	}{
		"what is held takes no time": {true, []step{
			{time.Minute, []judge.Health{busy}, 4 * time.Minute}, {2 * time.Minute, []judge.Health{held}, 3 * time.Minute}, {time.Hour, []judge.Health{held, held}, 3 * time.Minute},
			{2 * time.Hour, []judge.Health{busy}, 3 * time.Minute}, {2*time.Hour + time.Minute, []judge.Health{busy}, 2 * time.Minute}, {2*time.Hour + 3*time.Minute, []judge.Health{busy}, 0}}},
		"it takes some if anything else is open": {true, []step{{time.Minute, []judge.Health{held, busy}, 4 * time.Minute}, {5 * time.Minute, []judge.Health{held, busy}, 0}}},
		"it takes some if it may not wait":       {false, []step{{time.Minute, []judge.Health{held}, 4 * time.Minute}, {5 * time.Minute, []judge.Health{held}, 0}}},
		"nothing that is open is not held":       {true, []step{{time.Minute, nil, 4 * time.Minute}}},
		"what is found held after the deadline has the time anew": {true, []step{
			{time.Hour, []judge.Health{held}, 5 * time.Minute}, {2 * time.Hour, []judge.Health{busy}, 5 * time.Minute}, {2*time.Hour + 5*time.Minute, []judge.Health{busy}, 0}}},
	} {
		t.Run(sentence, func(t *testing.T) {
			b := Within(5*time.Minute, start)
			if c.may {
				b.SaveHold = func(context.Context, time.Time, time.Time) error { return nil }
			}
			for i, s := range c.steps {
				now := start.Add(s.after)
				b.holding(s.open, now)
				if have := b.Left(now); have != s.left || b.Over(now) != (s.left == 0) || !b.End(now).Equal(now.Add(s.left)) {
					t.Errorf("step %d: %s left, not %s; over: %v, end: %s", i, have, s.left, b.Over(now), b.End(now))
				}
			}
		})
	}
}

// That the deadline waits is kept once, or again until it is kept.
func TestAHoldIsKeptOncePerChange(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var kept []time.Time
	trouble := errors.New("etcdserver: leader changed")
	d := deadline{Bounds: Within(time.Minute, start)}
	d.SaveHold = func(_ context.Context, _, since time.Time) error {
		kept = append(kept, since)
		err := trouble
		trouble = nil
		return err
	}
	held := []judge.Health{{State: health.Progressing, Held: true}}
	for i := range 5 {
		looked := start.Add(time.Duration(i) * time.Second)
		d.hold(t.Context(), held, looked)
		if most := d.most(time.Hour, looked); i == 0 && most != retryPause || i > 0 && most != time.Hour {
			t.Errorf("look %d: it sleeps for %s", i, most)
		}
	}
	d.hold(t.Context(), nil, start.Add(time.Hour))
	if len(kept) != 3 || kept[0] != start || kept[1] != start || !kept[2].IsZero() {
		t.Errorf("kept %v", kept)
	}
}
