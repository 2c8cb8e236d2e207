package apply

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/xetys/tether/render/manifest"
)

// trouble is what keeps a pod from becoming ready.
type trouble struct {
	pod       *corev1.Pod
	container string      // empty for the pod's own
	text      string      // the sentence after the pod's name
	kind      troubleKind // empty if it is not final by itself
	runs      bool        // the container runs, and may only need its time
}

// troubleKind is what a clock runs for.
type troubleKind string

const (
	imagePull     troubleKind = "image pull"
	imageMissing  troubleKind = "image missing"
	crashLoop     troubleKind = "crash loop"
	configError   troubleKind = "config error"
	unschedulable troubleKind = "unschedulable"
)

// waitReasons are the kubelet's reasons for which a container waits in trouble. The
// kubelet tells of one image in turns that a pull failed and that it waits to try
// again.
var waitReasons = map[string]troubleKind{
	"ErrImagePull":               imagePull,
	"ImagePullBackOff":           imagePull,
	"ErrImageNeverPull":          imageMissing,
	"InvalidImageName":           imageMissing,
	"CrashLoopBackOff":           crashLoop,
	"CreateContainerConfigError": configError,
	"CreateContainerError":       configError,
	"RunContainerError":          configError,
}

// defaultGraces are how long a trouble may last before no more hope is held:
// registries have hiccups, and a process that crashes once may find its database on
// the next try. The first two are the kubelet's back-off, which starts at 10 s, seen
// once and twice. A pod that fits nowhere may fit soon: nodes come.
var defaultGraces = manifest.Graces{ImagePull: 10 * time.Second, CrashLoop: 20 * time.Second, ConfigError: 60 * time.Second}

// graceOf returns how long a kind of trouble may last; zero if it is not final by
// itself.
func graceOf(g manifest.Graces, kind troubleKind) time.Duration {
	switch kind {
	case imagePull:
		return cmp.Or(g.ImagePull, defaultGraces.ImagePull)
	case imageMissing:
		return time.Second
	case crashLoop:
		return cmp.Or(g.CrashLoop, defaultGraces.CrashLoop)
	case configError:
		return cmp.Or(g.ConfigError, defaultGraces.ConfigError)
	case unschedulable:
		return cmp.Or(g.Unschedulable, defaultGraces.Unschedulable)
	}
	return 0
}

// reason is a sentence: which pod, which container, what.
func (t *trouble) reason() string { return "pod " + t.pod.Name + t.text }

// former is reason for a pod that is to be replaced.
func (t *trouble) former() string { return "pod " + t.pod.Name + " of a former revision" + t.text }

func statusesOf(p *corev1.Pod) []corev1.ContainerStatus {
	return slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses)
}

// troublesOf returns what a person would look up first on a pod, and what else is
// wrong with it.
func troublesOf(p *corev1.Pod) []trouble {
	var out []trouble
	statuses := statusesOf(p)
	for _, s := range statuses {
		if w := s.State.Waiting; w != nil && waitReasons[w.Reason] != "" {
			out = append(out, trouble{pod: p, container: s.Name, text: waitingText(s), kind: waitReasons[w.Reason]})
		}
	}
	for _, s := range statuses {
		if t := s.State.Terminated; t != nil && t.ExitCode != 0 {
			out = append(out, trouble{pod: p, container: s.Name, text: fmt.Sprintf(": container %s ended with exit code %d%s", s.Name, t.ExitCode, exitReason(t))})
		}
	}
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse && c.Reason == corev1.PodReasonUnschedulable {
			out = append(out, trouble{pod: p, text: " can't be scheduled: " + c.Message, kind: unschedulable})
		}
	}
	for _, s := range statuses {
		if s.State.Running != nil && !s.Ready {
			out = append(out, trouble{pod: p, container: s.Name, text: fmt.Sprintf(" runs, but container %s is not ready", s.Name), runs: true})
		}
	}
	return out
}

// exitReason says why a container ended, where that is more than "Error".
func exitReason(t *corev1.ContainerStateTerminated) string {
	if t.Reason == "" || t.Reason == "Error" {
		return ""
	}
	return " (" + t.Reason + ")"
}

func waitingText(s corev1.ContainerStatus) string {
	w := s.State.Waiting
	text := fmt.Sprintf(": container %s: %s", s.Name, w.Reason)
	if t := s.LastTerminationState.Terminated; t != nil {
		text += fmt.Sprintf(" (exit code %d, %d restarts)%s", t.ExitCode, s.RestartCount, exitReason(t))
	}
	switch kind := waitReasons[w.Reason]; {
	case kind == imagePull || kind == imageMissing:
		return text + " of image " + s.Image
	case w.Message != "" && kind != crashLoop:
		text += ": " + w.Message
	}
	return text
}

// clocks tell since when the containers of some pods are in trouble, each for
// itself: what one has got over says nothing about another.
type clocks map[clockKey]*clock

type clockKey struct {
	pod       types.UID
	container string
}

type clock struct {
	kind  troubleKind
	since time.Time
	ready time.Time // when it was first seen to be ready again; zero if it is not
}

// steady is how long a container that crashed has to be ready until it has got over
// it: without a readiness probe, one that crashes again and again is ready in
// between.
const steady = 10 * time.Second

// note takes down what the containers of a pod are in now, by container.
func (c clocks) note(p *corev1.Pod, troubles []trouble, now time.Time) {
	kinds, works := map[string]troubleKind{"": ""}, map[string]bool{"": true}
	for _, s := range statusesOf(p) {
		kinds[s.Name] = ""
		works[s.Name] = s.Ready || s.State.Terminated != nil && s.State.Terminated.ExitCode == 0
	}
	for _, t := range troubles {
		if t.kind != "" && kinds[t.container] == "" {
			kinds[t.container] = t.kind
		}
	}
	for container, kind := range kinds {
		key := clockKey{p.UID, container}
		if kind != "" {
			c.trouble(key, kind, now)
		} else {
			c.none(key, works[container], now)
		}
	}
}

func (c clocks) trouble(key clockKey, kind troubleKind, now time.Time) {
	k := c[key]
	if k == nil || k.kind != kind || !k.ready.IsZero() && now.Sub(k.ready) >= steady {
		k = &clock{kind: kind, since: now}
		c[key] = k
	}
	k.ready = time.Time{}
}

// none takes note that a container waits for nothing: it works, or it has been
// started and nobody knows yet.
func (c clocks) none(key clockKey, works bool, now time.Time) {
	k := c[key]
	switch {
	case k == nil:
	case k.kind != crashLoop:
		delete(c, key) // it was made and started, or the pod has a node
	case !k.ready.IsZero() && now.Sub(k.ready) >= steady:
		delete(c, key)
	case works && k.ready.IsZero():
		k.ready = now
	case !works:
		k.ready = time.Time{}
	}
}

// worst returns the trouble that people are to be told of, and how long it, or
// another one, has left until it is final. A trouble that has a clock is worse than
// one that has none, and one that has run out is the worst; among equals the first by
// the pod's name counts, so that the message does not flap.
func (c clocks) worst(pods []*corev1.Pod, graceOf func(trouble) time.Duration, now time.Time) (worst *trouble, left time.Duration) {
	slices.SortFunc(pods, func(a, b *corev1.Pod) int { return cmp.Compare(a.Name, b.Name) })
	left = time.Hour
	rank := 0
	for _, p := range pods {
		all := troublesOf(p)
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
