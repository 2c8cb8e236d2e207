package wait

import (
	"testing"
	"time"

	"github.com/xetys/tether/apply/health"
	"github.com/xetys/tether/apply/judge"
	"github.com/xetys/tether/render/manifest"
)

// What is unhealthy ends a rollout only if it will not mend itself, and has lasted.
func TestOnlyWhatLastsEndsARollout(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	p := patience{failed: map[manifest.ID]time.Time{}, half: start.Add(time.Minute)}
	failed := judge.Health{ID: manifest.ID{Kind: "Widget", Name: "x"}, State: health.Unhealthy, Grace: 30 * time.Second}
	mends, fine := failed, failed
	mends.Mends, fine.State = true, health.Healthy
	for i, step := range []struct {
		after time.Duration
		h     judge.Health
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
		left := p.left(step.h, start.Add(step.after))
		if over := ends(step.h, left); left != step.left || over != step.ends {
			t.Errorf("step %d: %s left, ends: %v", i, left, over)
		}
	}
	atOnce := judge.Health{State: health.Unhealthy}
	if !ends(atOnce, p.left(atOnce, start)) {
		t.Error("what has no grace does not end the rollout at once")
	}
	silent := judge.Health{State: health.Progressing, Again: start.Add(2 * time.Minute)}
	if left := p.left(silent, start); left != time.Minute || p.spent(silent, start) || !p.spent(silent, start.Add(time.Minute)) {
		t.Errorf("what nobody says anything of is looked at again in %s", left)
	}
}
