package pods

import (
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// A pod of a former revision that a StatefulSet's controller waits for is found, and
// no other.
func TestPodsThatBlockAStatefulSet(t *testing.T) {
	now := time.Now()
	partition := func(n int32) func(*appsv1.StatefulSet) {
		return func(s *appsv1.StatefulSet) {
			s.Spec.UpdateStrategy = appsv1.StatefulSetUpdateStrategy{Type: appsv1.RollingUpdateStatefulSetStrategyType,
				RollingUpdate: &appsv1.RollingUpdateStatefulSetStrategy{Partition: &n}}
		}
	}
	for sentence, c := range map[string]struct {
		set    func(*appsv1.StatefulSet)
		pod    func(*corev1.Pod)
		blocks bool
	}{
		"one that crashes":                     {nil, nil, true},
		"one that is ready":                    {nil, func(p *corev1.Pod) { *p = *pod("db-1", "ready"); setReady(p, true, now.Add(-time.Hour)) }, false},
		"one that has not been ready for long": {nil, func(p *corev1.Pod) { *p = *pod("db-1", "starting"); setReady(p, false, now.Add(-time.Minute)) }, true},
		"one that may just be starting":        {nil, func(p *corev1.Pod) { *p = *pod("db-1", "starting"); setReady(p, false, now.Add(-time.Second)) }, false},
		"one of another StatefulSet":           {nil, func(p *corev1.Pod) { p.OwnerReferences[0].UID = "other" }, false},
		"one that nobody controls":             {nil, func(p *corev1.Pod) { p.OwnerReferences = nil }, false},
		"one of the newest revision":           {nil, func(p *corev1.Pod) { p.Labels[appsv1.ControllerRevisionHashLabelKey] = "db-new" }, false},
		"one of no revision":                   {nil, func(p *corev1.Pod) { p.Labels = nil }, false},
		"one that is on its way out":           {nil, func(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{Time: now} }, false},
		"one that has another name":            {nil, func(p *corev1.Pod) { p.Name = "db-1-debug" }, false},
		"one below the partition":              {partition(2), nil, false},
		"one above the partition":              {partition(1), nil, true},
		"one below the partition, counted from the first ordinal": {func(s *appsv1.StatefulSet) {
			partition(1)(s)
			s.Spec.Ordinals = &appsv1.StatefulSetOrdinals{Start: 1}
		}, nil, false},
		"one that somebody else replaces":       {func(s *appsv1.StatefulSet) { s.Spec.UpdateStrategy.Type = appsv1.OnDeleteStatefulSetStrategyType }, nil, false},
		"one of many that are replaced at once": {func(s *appsv1.StatefulSet) { s.Spec.PodManagementPolicy = appsv1.ParallelPodManagement }, nil, false},
		"one whose controller is behind":        {func(s *appsv1.StatefulSet) { s.Generation = 3 }, nil, false},
	} {
		t.Run(sentence, func(t *testing.T) {
			set := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: "db", UID: "set", Generation: 2}}
			set.Status.ObservedGeneration, set.Status.UpdateRevision = 2, "db-new"
			p := pod("db-1", "CrashLoopBackOff")
			own := func() {
				yes := true
				p.Labels = map[string]string{appsv1.ControllerRevisionHashLabelKey: "db-old"}
				p.OwnerReferences = []metav1.OwnerReference{{Kind: "StatefulSet", Name: "db", UID: types.UID("set"), Controller: &yes}}
			}
			own()
			if c.set != nil {
				c.set(set)
			}
			if c.pod != nil {
				c.pod(p)
				if len(p.Status.Conditions) > 0 {
					own()
				}
			}
			blocking, next := Blocking(set, []*corev1.Pod{p}, now)
			if (len(blocking) == 1) != c.blocks {
				t.Errorf("blocks: %v, want %v", len(blocking) == 1, c.blocks)
			}
			if strings.Contains(sentence, "just be starting") && next > starting {
				t.Errorf("it is looked at again after %s", next)
			}
		})
	}
}

func setReady(p *corev1.Pod, ready bool, since time.Time) {
	status := corev1.ConditionFalse
	if ready {
		status = corev1.ConditionTrue
	}
	p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: status, LastTransitionTime: metav1.Time{Time: since}}}
}
