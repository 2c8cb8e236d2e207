// Package plan compares what a release wants with what a cluster has, and says what is to
// be done with each object, and why.
//
// It is pure: it does not know how the cluster is asked or written to. What is known of the
// cluster is an argument, and a plan is data.
package plan

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/xetys/tether/render/manifest"
)

// Plan is what a release's deploy does, as data. Its String is stable.
type Plan struct {
	Release, Namespace string
	Changes            []Change

	Provisions Provisions // what deferred objects wait for
}

// Pending reports whether the plan would write anything.
func (p Plan) Pending() bool {
	return slices.ContainsFunc(p.Changes, func(c Change) bool { return c.Action.writes() })
}

// Slim returns the plan without what is not needed to carry it out: the content of objects that
// it does not change, and the live and dry-run states of those that it updates. Their reasons
// stay.
func (p Plan) Slim() Plan {
	p.Changes = slices.Clone(p.Changes)
	for i := range p.Changes {
		switch c := &p.Changes[i]; {
		case c.Action == Unchanged:
			c.Object, c.Live, c.DryRun = nil, nil, nil
		case c.Action == Update && !c.Adopt && c.Differs():
			c.Live, c.DryRun, c.slim = nil, nil, true
		}
	}
	return p
}

// Refusals returns the objects that the API server refuses, or that belong to another owner.
func (p Plan) Refusals() []Change { return p.Of(Refused) }

// Drifted returns the changes that correct drift.
func (p Plan) Drifted() []Change { return p.Of(Create, Update, Recreate, Deferred, Delete) }

// Of returns the changes with one of some actions.
func (p Plan) Of(actions ...Action) []Change {
	var out []Change
	for _, c := range p.Changes {
		if slices.Contains(actions, c.Action) {
			out = append(out, c)
		}
	}
	return out
}

// String prints the plan, one line per object and one per differing field.
func (p Plan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "release %s/%s\n", p.Namespace, p.Release)
	for _, c := range p.Changes {
		fmt.Fprintf(&b, "  %-9s %-12s %s", c.Action, c.Stage, c.ID)
		if c.Why != "" {
			fmt.Fprintf(&b, ": %s", c.Why)
		}
		b.WriteByte('\n')
		for _, f := range c.Drift {
			fmt.Fprintf(&b, "              %s: %s -> %s\n", f.Path, f.Have, f.Want)
		}
		for _, f := range c.Foreign {
			fmt.Fprintf(&b, "              %s: %s, by %s\n", f.Path, f.Have, f.Manager)
		}
	}
	return b.String()
}

// Stage returns the changes that are written in a stage.
func (p Plan) Stage(s Stage) []Change {
	var out []Change
	for _, c := range p.Changes {
		if c.Stage == s && c.Action.writes() && c.Action != Delete {
			out = append(out, c)
		}
	}
	return out
}

// Deletions lists the objects that a plan deletes, dependents first. An aggregated ClusterRole
// is deleted before the roles that it aggregates: while those are deleted, its controller
// writes it again.
func (p Plan) Deletions() []Change {
	doomed := p.Of(Delete)
	slices.Reverse(doomed)
	slices.SortStableFunc(doomed, func(a, b Change) int {
		if a.Stage != b.Stage || gathers(a) == gathers(b) {
			return int(b.Stage) - int(a.Stage)
		}
		if gathers(a) {
			return -1
		}
		return 1
	})
	return doomed
}

func gathers(c Change) bool {
	_, found, _ := unstructured.NestedFieldNoCopy(c.Live.Object, "aggregationRule")
	return found && c.Kind == "ClusterRole"
}

// ForReplan returns the provisions of the plan's commit for a new plan that is made while the
// first one is carried out: objects that were not there yet may exist by now.
func (p Plan) ForReplan() Provisions {
	c := p.Provisions
	c.Absent, c.Names = nil, nil
	return c
}

// LeftToOthers returns the objects that a plan leaves to another release, although its own
// release lists them.
func (p Plan) LeftToOthers() []manifest.ID {
	var out []manifest.ID
	for _, c := range p.Changes {
		if c.Action == Keep && c.Object != nil {
			out = append(out, c.ID)
		}
	}
	return out
}

// With is the plan with further changes.
func (p Plan) With(changes ...Change) Plan {
	p.Changes = append(p.Changes[:len(p.Changes):len(p.Changes)], changes...)
	return p
}
