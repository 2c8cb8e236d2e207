// Package pods follows the pods of workloads during a wait, and finds in them why a workload is
// not ready.
//
// It does not know rules of health, releases or deadlines: the caller decides what a finding
// means.
package pods

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/xetys/tether/render/manifest"
)

// Reason is why a pod is not ready.
type Reason struct {
	Pod  *corev1.Pod
	Kind Kind // empty if it is not final by itself

	container string // empty for the pod's own
	text      string // the sentence after the pod's name
	runs      bool   // the container runs, and may only need its time
}

// Kind is the kind of a reason that is final when it lasts.
type Kind string

// The kinds.
const (
	ImagePull     Kind = "image pull"
	ImageMissing  Kind = "image missing"
	CrashLoop     Kind = "crash loop"
	ConfigError   Kind = "config error"
	Unschedulable Kind = "Unschedulable"
)

// waitingReasons are those of the kubelet's reasons for which a container waits that may be final. The
// kubelet tells of one image in turns that a pull failed and that it waits to try
// again.
var waitingReasons = map[string]Kind{
	"ErrImagePull":               ImagePull,
	"ImagePullBackOff":           ImagePull,
	"ErrImageNeverPull":          ImageMissing,
	"InvalidImageName":           ImageMissing,
	"CrashLoopBackOff":           CrashLoop,
	"CreateContainerConfigError": ConfigError,
	"CreateContainerError":       ConfigError,
	"RunContainerError":          ConfigError,
}

// defaultGraces are how long a reason may last before it is final:
// registries have hiccups, and a process that crashes once may find its database on
// the next try. The first two are the kubelet's back-off, which starts at 10 s, seen
// once and twice. A pod that fits nowhere may fit soon: nodes come.
var defaultGraces = manifest.Graces{ImagePull: 10 * time.Second, CrashLoop: 20 * time.Second, ConfigError: 60 * time.Second}

// GraceOf returns how long a kind of reason may last; zero if it is not final by itself.
func GraceOf(g manifest.Graces, kind Kind) time.Duration {
	switch kind {
	case ImagePull:
		return cmp.Or(g.ImagePull, defaultGraces.ImagePull)
	case ImageMissing:
		return time.Second
	case CrashLoop:
		return cmp.Or(g.CrashLoop, defaultGraces.CrashLoop)
	case ConfigError:
		return cmp.Or(g.ConfigError, defaultGraces.ConfigError)
	case Unschedulable:
		return cmp.Or(g.Unschedulable, defaultGraces.Unschedulable)
	}
	return 0
}

// String is a sentence: which pod, which container, what.
func (r *Reason) String() string { return "pod " + r.Pod.Name + r.text }

// OfFormerRevision is String for a pod that is to be replaced.
func (r *Reason) OfFormerRevision() string {
	return "pod " + r.Pod.Name + " of a former revision" + r.text
}

func statusesOf(p *corev1.Pod) []corev1.ContainerStatus {
	return slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses)
}

// reasonsOf returns why a pod is not ready: first what a person would look up first.
func reasonsOf(p *corev1.Pod) []Reason {
	var out []Reason
	statuses := statusesOf(p)
	for _, s := range statuses {
		if w := s.State.Waiting; w != nil && waitingReasons[w.Reason] != "" {
			out = append(out, Reason{Pod: p, container: s.Name, text: waitingText(s), Kind: waitingReasons[w.Reason]})
		}
	}
	for _, s := range statuses {
		if t := s.State.Terminated; t != nil && t.ExitCode != 0 {
			out = append(out, Reason{Pod: p, container: s.Name, text: fmt.Sprintf(": container %s ended with exit code %d%s", s.Name, t.ExitCode, exitReason(t))})
		}
	}
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse && c.Reason == corev1.PodReasonUnschedulable {
			out = append(out, Reason{Pod: p, text: " can't be scheduled: " + c.Message, Kind: Unschedulable})
		}
	}
	for _, s := range statuses {
		if s.State.Running != nil && !s.Ready {
			out = append(out, Reason{Pod: p, container: s.Name, text: fmt.Sprintf(" runs, but container %s is not ready", s.Name), runs: true})
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
	switch kind := waitingReasons[w.Reason]; {
	case kind == ImagePull || kind == ImageMissing:
		return text + " of image " + s.Image
	case w.Message != "" && kind != CrashLoop:
		text += ": " + w.Message
	}
	return text
}
