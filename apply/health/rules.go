package health

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// RuleSpec is a rule as it is written: which kinds it is for, and expressions in CEL
// over the object. The first that is true decides: ignore, inProgress, held, failed,
// unhealthy, current. If none is, the object is in progress, or, if the rule has no
// current, judged as if there were no rule.
type RuleSpec struct {
	// Group and Kind are globs.
	Group string `yaml:"group"`
	Kind  string `yaml:"kind"`

	Current    string `yaml:"current"`
	InProgress string `yaml:"inProgress"`
	Failed     string `yaml:"failed"`
	Unhealthy  string `yaml:"unhealthy"`
	Held       string `yaml:"held"`
	Ignore     string `yaml:"ignore"`
	// Message makes the sentence on an object that is not healthy.
	Message string `yaml:"message"`
	// Grace is how long failed has to last before a rollout ends.
	Grace string `yaml:"grace"`
}

// steps are the expressions of a rule in the order in which they are asked, and what
// each makes of the object.
var steps = []struct {
	name string
	of   func(*RuleSpec) string
	is   Verdict
}{
	{"ignore", func(r *RuleSpec) string { return r.Ignore }, Verdict{State: Healthy}},
	{"inProgress", func(r *RuleSpec) string { return r.InProgress }, Verdict{State: Progressing}},
	{"held", func(r *RuleSpec) string { return r.Held }, Verdict{State: Progressing, Held: true}},
	{"failed", func(r *RuleSpec) string { return r.Failed }, Verdict{State: Unhealthy, Failed: true}},
	{"unhealthy", func(r *RuleSpec) string { return r.Unhealthy }, Verdict{State: Unhealthy}},
	{"current", func(r *RuleSpec) string { return r.Current }, Verdict{State: Healthy}},
}

// rule is a RuleSpec that is ready to be asked.
type rule struct {
	spec  RuleSpec
	name  string
	grace time.Duration

	compile sync.Once
	err     error
	steps   map[string]*program
	message *program
}

// Rules are the rules of one origin. They are safe for concurrent use; a nil Rules has none.
type Rules struct {
	rules []*rule
	next  *Rules // asked if none of these is for a kind
}

// Then returns rules of which next are asked for what these say nothing of.
func (r *Rules) Then(next *Rules) *Rules {
	if r == nil {
		return next
	}
	return &Rules{rules: r.rules, next: next}
}

// Equal reports whether two say the same.
func (r *Rules) Equal(other *Rules) bool {
	for r != nil && other != nil && r != other {
		if !slices.EqualFunc(r.rules, other.rules, func(a, b *rule) bool { return a.spec == b.spec && a.name == b.name }) {
			return false
		}
		r, other = r.next, other.next
	}
	return r == other
}

// Kinds returns what the rules are for, as they say it: Kind.group, which may be globs.
func (r *Rules) Kinds() []string {
	if r == nil {
		return nil
	}
	var out []string
	for _, rule := range r.rules {
		kind := strings.TrimRight(rule.spec.Kind+"."+rule.spec.Group, ".*")
		if !slices.Contains(out, kind) {
			out = append(out, kind)
		}
	}
	return out
}

// of returns the first rule for a kind.
func (r *Rules) of(kind schema.GroupKind) *rule {
	for ; r != nil; r = r.next {
		for _, rule := range r.rules {
			if matches(rule.spec.Group, kind.Group) && matches(rule.spec.Kind, kind.Kind) {
				return rule
			}
		}
	}
	return nil
}

// matches compares with a list of globs.
func matches(globs, s string) bool {
	if globs == s {
		return true
	}
	for glob := range strings.FieldsFuncSeq(globs, func(r rune) bool { return r == ',' || r == ' ' }) {
		if ok, err := path.Match(glob, s); ok && err == nil {
			return true
		}
	}
	return false
}

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
	said := story(live, v.State)
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

// story is what an object says of itself, for rules without a message: what agrees
// with the rule's answer first.
func story(live *unstructured.Unstructured, state State) Verdict {
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
