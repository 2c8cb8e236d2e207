package assess

import (
	"slices"

	"github.com/xetys/tether/agent/decide"
	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/apply/plan"
)

// AddDrift enters what a ledger tells of a release's drift: it would be put back. What a
// person's tool added beside stays.
func (d *Difference) AddDrift(namespace, name string, drifted []ledger.Drift) {
	if len(drifted) == 0 {
		return
	}
	i := slices.IndexFunc(d.Releases, func(o ReleaseDifference) bool { return o.Name == name && o.Namespace == namespace })
	if i < 0 {
		d.Releases = append(d.Releases, ReleaseDifference{Name: name, Namespace: namespace, Action: string(decide.None),
			Images: []ImageDifference{}, Risks: []plan.Risk{}, Objects: []ObjectDifference{}})
		i = len(d.Releases) - 1
	}
	rel := &d.Releases[i]
	for _, f := range drifted {
		if rel.Action == string(decide.None) && !f.Foreign {
			rel.Action, rel.Reason = string(decide.Repair), "it has drift"
		}
		rel.enter(f)
	}
}

// enter enters one field: the live value is what a change of it starts from.
func (r *ReleaseDifference) enter(f ledger.Drift) {
	i := slices.IndexFunc(r.Objects, func(o ObjectDifference) bool { return o.Object == f.Object })
	if i < 0 {
		r.Objects = append(r.Objects, ObjectDifference{Object: f.Object, Action: string(plan.Unchanged), Fields: []FieldDifference{}})
		i = len(r.Objects) - 1
	}
	o := &r.Objects[i]
	if o.Action == string(plan.Unchanged) && !f.Foreign {
		o.Action = string(plan.Update)
	}
	field := FieldDifference{Path: f.Path, From: f.Have, To: f.Want, Manager: f.Manager, Foreign: f.Foreign}
	if f.Foreign {
		field.To = f.Have
	}
	if j := slices.IndexFunc(o.Fields, func(is FieldDifference) bool { return is.Path == f.Path }); j >= 0 {
		o.Fields[j].From, o.Fields[j].Manager = f.Have, f.Manager
		return
	}
	o.Fields = append(o.Fields, field)
}
