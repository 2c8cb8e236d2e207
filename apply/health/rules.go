package health

import (
	"path"
	"slices"
	"strings"
	"sync"
	"time"

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

// TerminalGrace is how long what a rule calls failed has to last before it ends a
// rollout, where the rule does not say.
const TerminalGrace = 30 * time.Second

// Rules are the rules of one origin. They are safe for concurrent use; a nil Rules has none.
type Rules struct {
	rules []*rule
	next  *Rules // asked if none of these is for a kind
}

// Then returns these rules followed by next, which are asked about objects for which these have
// no answer.
func (r *Rules) Then(next *Rules) *Rules {
	if r == nil {
		return next
	}
	return &Rules{rules: r.rules, next: next}
}

// Equal reports whether both have the same rules.
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
