package rollout

import (
	"strings"
	"testing"
	"time"
)

// How long a rollout took is measured once it has ended, from its start, whoever began it.
func TestADurationIsOfTheWholeRollout(t *testing.T) {
	for end, fails := range map[string]string{"healthy": "", "failed": "fail wait unhealthy pod web-1: CrashLoopBackOff"} {
		t.Run(end, func(t *testing.T) {
			w := newWorld()
			tell := func(lines ...string) {
				for _, line := range lines {
					if line != "" {
						w.say(t, strings.Fields(line))
					}
				}
			}
			tell("record a running", "want b", "on-failure hold", "fail wait newer", "go")
			if n, _ := w.measured(t); n != 0 {
				t.Errorf("an interruption is measured as %d rollouts", n)
			}
			w.now = w.now.Add(90 * time.Second)
			tell(fails, "go")
			if n, took := w.measured(t); n != 1 || took != 90 {
				t.Errorf("%d rollouts are measured, of %v seconds\n%s", n, took, w.answer.String())
			}
		})
	}
}

// measured is how many rollouts the last run measured, and how many seconds they took.
func (w *world) measured(t *testing.T) (rollouts uint64, seconds float64) {
	t.Helper()
	all, err := w.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		if f.GetName() == "tether_deploy_duration_seconds" {
			for _, one := range f.GetMetric() {
				rollouts, seconds = rollouts+one.GetHistogram().GetSampleCount(), seconds+one.GetHistogram().GetSampleSum()
			}
		}
	}
	return rollouts, seconds
}
