package pods

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/xetys/tether/render/manifest"
)

// pod has containers c1, c2, … in the given states: ready, starting, a reason to wait
// for, or exit CODE.
func pod(name string, states ...string) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name)}}
	for i, state := range states {
		s := corev1.ContainerStatus{Name: fmt.Sprintf("c%d", i+1), Image: "example.com/x:1"}
		code, ended := strings.CutPrefix(state, "exit ")
		switch {
		case state == "ready":
			s.Ready, s.State.Running = true, &corev1.ContainerStateRunning{}
		case state == "starting":
			s.State.Running = &corev1.ContainerStateRunning{}
		case ended:
			s.State.Terminated = &corev1.ContainerStateTerminated{ExitCode: int32(code[0] - '0')}
		default:
			s.State.Waiting = &corev1.ContainerStateWaiting{Reason: state}
		}
		p.Status.ContainerStatuses = append(p.Status.ContainerStatuses, s)
	}
	return p
}

// The clock of a reason is a container's own, and ends with it.
func TestAReasonIsFinalWhenItHasLasted(t *testing.T) {
	for sentence, c := range map[string]struct {
		looks []string // SECOND POD=STATE[,STATE]… POD=…
		final bool     // at the last look
	}{
		"a crash loop that lasts":                                   {[]string{"0 a=CrashLoopBackOff", "20 a=CrashLoopBackOff"}, true},
		"one that does not last yet":                                {[]string{"0 a=CrashLoopBackOff", "19 a=CrashLoopBackOff"}, false},
		"one that starts and crashes in between":                    {[]string{"0 a=CrashLoopBackOff", "8 a=starting", "9 a=exit 1", "10 a=CrashLoopBackOff", "20 a=CrashLoopBackOff"}, true},
		"one that is ready for a moment in between":                 {[]string{"0 a=CrashLoopBackOff", "8 a=ready", "9 a=exit 1", "10 a=CrashLoopBackOff", "20 a=CrashLoopBackOff"}, true},
		"one that recovered, and crashes later":                     {[]string{"0 a=CrashLoopBackOff", "8 a=ready", "30 a=exit 1", "31 a=CrashLoopBackOff", "50 a=CrashLoopBackOff"}, false},
		"one that recovered, and crashes later for long":            {[]string{"0 a=CrashLoopBackOff", "8 a=ready", "30 a=exit 1", "31 a=CrashLoopBackOff", "51 a=CrashLoopBackOff"}, true},
		"an image that is tried again":                              {[]string{"0 a=ErrImagePull", "4 a=ImagePullBackOff", "8 a=ErrImagePull", "10 a=ImagePullBackOff"}, true},
		"an image that came, and another container's that does not": {[]string{"0 a=ImagePullBackOff,ready", "9 a=ready,ImagePullBackOff", "12 a=ready,ImagePullBackOff"}, false},
		"an image that came, and a crash":                           {[]string{"0 a=ImagePullBackOff", "9 a=starting", "10 a=CrashLoopBackOff", "25 a=CrashLoopBackOff"}, false},
		"a pod that recovered, and another one that did not yet":    {[]string{"0 a=CrashLoopBackOff b=ready", "15 a=ready b=CrashLoopBackOff", "25 a=ready b=CrashLoopBackOff"}, false},
		"a pod that took the place of one that crashed":             {[]string{"0 a=CrashLoopBackOff", "15 b=CrashLoopBackOff", "25 b=CrashLoopBackOff"}, false},
		"what another pod has is told of, and this one is final":    {[]string{"0 b=CrashLoopBackOff", "15 a=CrashLoopBackOff b=CrashLoopBackOff", "21 a=CrashLoopBackOff b=CrashLoopBackOff"}, true},
		"an image of no name":                                       {[]string{"0 a=InvalidImageName", "1 a=InvalidImageName"}, true},
		"a container that ended once":                               {[]string{"0 a=exit 1", "60 a=exit 1"}, false},
	} {
		t.Run(sentence, func(t *testing.T) {
			grace := func(r Reason) time.Duration { return GraceOf(manifest.Graces{}, r.Kind) }
			start, clocks, final := time.Now(), Clocks{}, false
			for _, look := range c.looks {
				second, rest, _ := strings.Cut(look, " ")
				after, err := time.ParseDuration(second + "s")
				if err != nil {
					t.Fatal(err)
				}
				var pods []*corev1.Pod
				for one := range strings.FieldsSeq(strings.ReplaceAll(rest, "exit 1", "exit_1")) {
					name, states, _ := strings.Cut(strings.ReplaceAll(one, "_", " "), "=")
					pods = append(pods, pod(name, strings.Split(states, ",")...))
				}
				_, left := clocks.Worst(pods, grace, start.Add(after))
				final = left == 0
			}
			if final != c.final {
				t.Errorf("final: %v, want %v", final, c.final)
			}
		})
	}
}

// Graces of a release win over the defaults, each for its kind.
func TestGracesOfARelease(t *testing.T) {
	g := manifest.Graces{CrashLoop: 2 * time.Minute, Unschedulable: 3 * time.Minute}
	for kind, want := range map[Kind]time.Duration{
		CrashLoop: 2 * time.Minute, Unschedulable: 3 * time.Minute, ImagePull: 10 * time.Second, ConfigError: time.Minute, ImageMissing: time.Second, "": 0,
	} {
		if have := GraceOf(g, kind); have != want {
			t.Errorf("%s has %s, want %s", kind, have, want)
		}
	}
	if have := GraceOf(manifest.Graces{}, Unschedulable); have != 0 {
		t.Errorf("a pod that fits nowhere is final after %s, without being asked for", have)
	}
}

func TestPodsSayWhyTheyAreNotReady(t *testing.T) {
	status := func(state corev1.ContainerState) corev1.PodStatus {
		return corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{Name: "api", Image: "example.com/api:2", RestartCount: 3, State: state,
			LastTerminationState: corev1.ContainerState{}}}}
	}
	waiting := func(reason, message string) corev1.PodStatus {
		return status(corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}})
	}
	crash := waiting("CrashLoopBackOff", "back-off 5m0s restarting failed container")
	crash.ContainerStatuses[0].LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ExitCode: 137}
	for sentence, c := range map[string]struct {
		status corev1.PodStatus
		want   string
		final  bool
	}{
		"an image that can't be pulled": {waiting("ImagePullBackOff", "Back-off"), "pod p: container api: ImagePullBackOff of image example.com/api:2", true},
		"a crash loop":                  {crash, "pod p: container api: CrashLoopBackOff (exit code 137, 3 restarts)", true},
		"a Secret that is missing":      {waiting("CreateContainerConfigError", `secret "x" not found`), `pod p: container api: CreateContainerConfigError: secret "x" not found`, true},
		"a pod that fits nowhere": {corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse,
			Reason: corev1.PodReasonUnschedulable, Message: "0/5 nodes are available"}}}, "pod p can't be scheduled: 0/5 nodes are available", false},
		"a probe that fails":        {status(corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}), "pod p runs, but container api is not ready", false},
		"a container that is being": {waiting("ContainerCreating", ""), "", false},
	} {
		t.Run(sentence, func(t *testing.T) {
			have, final := "", false
			if all := reasonsOf(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p"}, Status: c.status}); len(all) > 0 {
				have, final = all[0].String(), GraceOf(manifest.Graces{}, all[0].Kind) > 0
			}
			if have != c.want || final != c.final {
				t.Errorf("%q (final: %v), want %q (%v)", have, final, c.want, c.final)
			}
		})
	}
}
