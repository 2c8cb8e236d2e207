package health

import (
	"errors"
	"fmt"
	"slices"

	"github.com/google/cel-go/cel"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// byRules asks the users' rules.
func byRules(live *unstructured.Unstructured, o Options, errs *[]string) (Verdict, bool) {
	if o.Rules == nil || o.Rules.of(live.GroupVersionKind().GroupKind()) == nil {
		return Verdict{}, false
	}
	if v, stale := observed(live); stale {
		return v, true
	}
	return o.Rules.judge(live, o, errs)
}

// judge asks the rule for an object's kind; false means that it has no answer. What
// went wrong in the rule is added to errs, and is no answer by itself.
func (r *Rules) judge(live *unstructured.Unstructured, o Options, errs *[]string) (Verdict, bool) {
	rule := r.of(live.GroupVersionKind().GroupKind())
	if rule == nil {
		return Verdict{}, false
	}
	if err := rule.ready(); err != nil {
		*errs = append(*errs, rule.name+": "+err.Error())
		return Verdict{}, false
	}
	return rule.judge(live, o, errs)
}

func (r *rule) judge(live *unstructured.Unstructured, o Options, errs *[]string) (Verdict, bool) {
	vars := variables(live)
	broken, absent := false, ""
	for _, s := range steps {
		p := r.steps[s.name]
		if p == nil {
			continue
		}
		yes, err := p.truth(vars)
		if gone := (*absentError)(nil); errors.As(err, &gone) {
			absent = fmt.Sprintf("%s is not there yet", gone.field)
			continue
		}
		if err != nil {
			broken = true
			*errs = append(*errs, fmt.Sprintf("%s: %s can't be evaluated: %v", r.name, s.name, err))
			continue
		}
		if yes {
			return r.verdict(s.name, s.is, live, o, vars), true
		}
	}
	if broken || r.spec.Current == "" {
		return Verdict{}, false
	}
	v := r.verdict("current", Verdict{State: Progressing}, live, o, vars)
	if absent != "" && r.message == nil {
		v.Reason = joined(absent, v.Reason)
	}
	return v, true
}

// verdict fills in who says it and why.
func (r *rule) verdict(step string, v Verdict, live *unstructured.Unstructured, o Options, vars map[string]any) Verdict {
	said := describeByStatus(live, v.State)
	v.Rule, v.Field = r.name+" for "+live.GroupVersionKind().GroupKind().String()+": "+step, said.Field
	if v.Held && pausedByManifest(live, o) {
		return Verdict{State: Healthy, Rule: v.Rule, Field: "spec", Reason: "it is paused, as its manifest says"}
	}
	if v.Failed {
		v.Grace = r.grace
	}
	if v.State == Healthy {
		if step == "ignore" {
			v.Reason = "it is not judged, as the rule says"
		}
		return v
	}
	if r.message != nil {
		if s, err := r.message.text(vars); err == nil && s != "" {
			v.Reason = s
			return v
		}
	}
	v.Reason = said.Reason
	if v.Held {
		v.Reason = joined(v.Reason, "it goes on when somebody lets it")
	}
	return v
}

// describeByStatus is what an object says of itself, for rules without a message: what agrees
// with the rule's answer first.
func describeByStatus(live *unstructured.Unstructured, state State) Verdict {
	status, _ := live.Object["status"].(map[string]any)
	if len(status) == 0 {
		return Verdict{Field: "status", Reason: "its controller has not said anything of it yet"}
	}
	said := append(conditions(status, generation(live)), words(status, "status")...)
	said = append(said, parents(status, generation(live))...)
	if len(said) == 0 {
		said = nested(status)
	}
	if i := slices.IndexFunc(said, func(v Verdict) bool { return v.State == state }); i >= 0 {
		return said[i]
	}
	if len(said) > 0 && worst(said).Reason != "" {
		return worst(said)
	}
	for _, name := range wordFields {
		if s, _ := status[name].(string); s != "" {
			return Verdict{Field: "status." + name, Reason: fmt.Sprintf("%s is %q", name, s)}
		}
	}
	for _, name := range []string{"message", "reason", "description"} {
		if s, _ := status[name].(string); s != "" {
			return Verdict{Field: "status." + name, Reason: s}
		}
	}
	return Verdict{Field: "status", Reason: "its status does not say that it is done"}
}

// ready compiles a rule at its first use.
func (r *rule) ready() error {
	r.compile.Do(func() {
		r.steps = map[string]*program{}
		for _, s := range steps {
			text := s.of(&r.spec)
			if text == "" {
				continue
			}
			p, err := compile(text, cel.BoolType)
			if err != nil {
				r.err = fmt.Errorf("%s: %w", s.name, err)
				return
			}
			r.steps[s.name] = p
		}
		if r.spec.Message != "" {
			if r.message, r.err = compile(r.spec.Message, cel.StringType); r.err != nil {
				r.err = fmt.Errorf("message: %w", r.err)
			}
		}
	})
	return r.err
}
