package pods

import (
	"cmp"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Clocks keep since when each container of some pods is not ready for a reason; the recovery of
// one does not affect the others. They are not safe for concurrent use.
type Clocks map[clockKey]*clock

type clockKey struct {
	pod       types.UID
	container string
}

type clock struct {
	kind  Kind
	since time.Time
	ready time.Time // when it was first seen to be ready again; zero if it is not
}

// steady is how long a container that crashed has to be ready until it counts as
// recovered: without a readiness probe, one that crashes again and again is ready in
// between.
const steady = 10 * time.Second

// note takes down what the containers of a pod are in now, by container.
func (c Clocks) note(p *corev1.Pod, reasons []Reason, now time.Time) {
	kinds, works := map[string]Kind{"": ""}, map[string]bool{"": true}
	for _, s := range statusesOf(p) {
		kinds[s.Name] = ""
		works[s.Name] = s.Ready || s.State.Terminated != nil && s.State.Terminated.ExitCode == 0
	}
	for _, t := range reasons {
		if t.Kind != "" && kinds[t.container] == "" {
			kinds[t.container] = t.Kind
		}
	}
	for container, kind := range kinds {
		key := clockKey{p.UID, container}
		if kind != "" {
			c.run(key, kind, now)
		} else {
			c.stop(key, works[container], now)
		}
	}
}

func (c Clocks) run(key clockKey, kind Kind, now time.Time) {
	k := c[key]
	if k == nil || k.kind != kind || !k.ready.IsZero() && now.Sub(k.ready) >= steady {
		k = &clock{kind: kind, since: now}
		c[key] = k
	}
	k.ready = time.Time{}
}

// stop takes note that a container waits for nothing: it works, or it has been started and
// nobody knows yet.
func (c Clocks) stop(key clockKey, works bool, now time.Time) {
	k := c[key]
	switch {
	case k == nil:
	case k.kind != CrashLoop:
		delete(c, key) // it was made and started, or the pod has a node
	case !k.ready.IsZero() && now.Sub(k.ready) >= steady:
		delete(c, key)
	case works && k.ready.IsZero():
		k.ready = now
	case !works:
		k.ready = time.Time{}
	}
}

// Worst returns the reason to be reported, nil if there is none, and how long it, or another
// one, has left until it is final. A reason that has a clock is worse than one that has none,
// and one whose clock has run out is the worst; among equals the first by the pod's name
// counts, so that the message does not flap. It sorts pods.
func (c Clocks) Worst(pods []*corev1.Pod, graceOf func(Reason) time.Duration, now time.Time) (worst *Reason, left time.Duration) {
	slices.SortFunc(pods, func(a, b *corev1.Pod) int { return cmp.Compare(a.Name, b.Name) })
	left = time.Hour
	rank := 0
	for _, p := range pods {
		all := reasonsOf(p)
		c.note(p, all, now)
		for _, t := range all {
			r := 1
			if grace := graceOf(t); grace > 0 {
				r = 2
				rest := max(grace-now.Sub(c[clockKey{p.UID, t.container}].since), 0)
				if left = min(left, rest); rest == 0 {
					r = 3
				}
			}
			if r > rank {
				worst, rank = &t, r
			}
		}
	}
	return worst, left
}
