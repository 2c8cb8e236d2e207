package apply

import (
	"testing"
	"time"

	"github.com/xetys/tether/render/manifest"
)

// What is unhealthy ends a rollout only if it will not mend itself, and has lasted.
func TestOnlyWhatLastsEndsARollout(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	w := waiter{failed: map[manifest.ID]time.Time{}, half: start.Add(time.Minute)}
	failed := Health{ID: manifest.ID{Kind: "Widget", Name: "x"}, State: Unhealthy, Grace: 30 * time.Second}
	mends, fine := failed, failed
	mends.Mends, fine.State = true, Healthy
	for i, step := range []struct {
		after time.Duration
		h     Health
		left  time.Duration
		ends  bool
	}{
		{0, mends, time.Hour, false},
		{time.Second, failed, 30 * time.Second, false},
		{11 * time.Second, failed, 20 * time.Second, false},
		{12 * time.Second, fine, time.Hour, false}, // it mended itself all the same: the grace begins anew
		{13 * time.Second, failed, 30 * time.Second, false},
		{43 * time.Second, failed, 0, true},
	} {
		left := w.lasting(step.h, start.Add(step.after))
		if ends := step.h.ends(left); left != step.left || ends != step.ends {
			t.Errorf("step %d: %s left, ends: %v", i, left, ends)
		}
	}
	atOnce := Health{State: Unhealthy}
	if !atOnce.ends(w.lasting(atOnce, start)) {
		t.Error("what has no grace does not end the rollout at once")
	}
	silent := Health{State: Progressing, Again: start.Add(2 * time.Minute)}
	if left := w.lasting(silent, start); left != time.Minute || w.patient(silent, start) || !w.patient(silent, start.Add(time.Minute)) {
		t.Errorf("what nobody says anything of is looked at again in %s", left)
	}
}
