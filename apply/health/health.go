// Package health judges whether an object is healthy, by its own content: Kubernetes' own
// kinds by what each promises, any other kind by rules in CEL and by a generic rule that is
// made of tables.
//
// It is pure: it does not know a cluster, an object's pods, or the time, and does no
// I/O.
package health

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Silence is how long a controller may take to say its first word on an object of a
// kind that has a status. After that the kind is taken for one of which nobody says
// anything.
const Silence = 30 * time.Second

// Of judges an object. The first of these that has an answer decides: deletion, users' rules,
// Kubernetes' own kinds, the observed generation, built-in rules, the generic rule.
func Of(live *unstructured.Unstructured, o Options) Verdict {
	switch {
	case live == nil:
		return Verdict{State: Missing, Rule: "existence", Reason: "it does not exist"}
	case live.GetDeletionTimestamp() != nil:
		return Verdict{State: Progressing, Rule: "deletion", Field: "metadata.deletionTimestamp", Reason: "it is being deleted" + finalizers(live)}
	}
	var errs []string
	v, done := byRules(live, o, &errs)
	if !done {
		v = byKind(live, o, &errs)
	}
	if v.State == Healthy && ownKinds[live.GroupVersionKind().GroupKind()] == nil {
		v = doubtStale(v, live, o)
	}
	for _, e := range errs {
		v.Reason = joined(v.Reason, e)
	}
	return v
}

func finalizers(live *unstructured.Unstructured) string {
	if f := live.GetFinalizers(); len(f) > 0 {
		return fmt.Sprintf(", and finalizers %v hold it", f)
	}
	return ""
}

// byKind asks the layers below users' rules.
func byKind(live *unstructured.Unstructured, o Options, errs *[]string) Verdict {
	kind := live.GroupVersionKind().GroupKind()
	if own, ok := ownKinds[kind]; ok {
		v := own(live, o)
		if v.Rule == "" {
			v.Rule = kind.String()
		}
		return v
	}
	if v, stale := observed(live); stale {
		return v
	}
	if v, done := builtin().judge(live, o, errs); done {
		return v
	}
	return generic(live, o)
}

// generic is the rule for kinds that nobody wrote one for.
func generic(live *unstructured.Unstructured, o Options) Verdict {
	status, _ := live.Object["status"].(map[string]any)
	if len(status) == 0 {
		return judgeWithoutStatus(live, o)
	}
	said := append(conditions(status, generation(live)), parents(status, generation(live))...)
	said = append(said, words(status, "status")...)
	said = append(said, replicas(live.Object, status)...)
	if len(said) == 0 {
		said = nested(status)
	}
	if len(said) == 0 {
		if _, ok := status["observedGeneration"]; !ok || status["conditions"] != nil {
			return patience(Verdict{Rule: "inconclusive", Field: "status", Reason: "nothing in its status says how it does"}, live, o)
		}
		return Verdict{State: Healthy, Rule: "existence", Field: "status"}
	}
	for i, v := range said {
		said[i] = underWay(live.GetKind(), v)
	}
	return worst(said)
}

// judgeWithoutStatus judges an object that has no status.
func judgeWithoutStatus(live *unstructured.Unstructured, o Options) Verdict {
	v := Verdict{State: Healthy, Rule: "existence"}
	has := PresenceUnknown
	if o.Status != nil {
		has = o.Status(live.GroupVersionKind())
	}
	if has == Absent || isStatusless(live.GroupVersionKind().GroupKind()) {
		return v
	}
	v.Rule, v.Field, v.Reason = "no status", "status", "its controller has not said anything of it yet"
	return patience(v, live, o)
}

// patience waits for a controller's word for a while, and then takes the object as it
// is: it may be of a kind of which nobody ever says more. What is a snapshot does not
// get older.
func patience(v Verdict, live *unstructured.Unstructured, o Options) Verdict {
	v.State = Progressing
	if o.Now.IsZero() {
		return v
	}
	if end := live.GetCreationTimestamp().Add(Silence); o.Now.Before(end) {
		v.Again = end
		return v
	}
	v.State, v.Reason = Healthy, fmt.Sprintf("%s, for %s: it is taken as it is", v.Reason, Silence)
	return v
}
