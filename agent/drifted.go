package agent

import (
	"github.com/xetys/tether/agent/ledger"
)

// foreignOf lists what people's tools added to a release's objects and may stay.
func foreignOf(j *job) []ledger.Drift {
	var out []ledger.Drift
	for _, c := range j.plan.Changes {
		for _, f := range c.Foreign {
			if d := ledger.DriftOf(c.ID.String(), f); !j.owner.Strict {
				d.Foreign = true
				out = append(out, d)
			}
		}
	}
	return out
}

func driftOf(j *job) []ledger.Drift {
	var out []ledger.Drift
	for _, c := range j.plan.Refusals() {
		fields := j.owner.Withstood(c)
		for _, f := range fields {
			d := ledger.DriftOf(c.ID.String(), f)
			d.Refused = ledger.Shorten(j.veil().Mask(c.Why))
			out = append(out, d)
		}
		if len(fields) == 0 {
			out = append(out, ledger.Drift{Object: c.ID.String(), Want: "(as applied)", Have: "(refused: " + j.veil().Mask(c.Why) + ")"})
		}
	}
	for _, c := range j.plan.Drifted() {
		if c.Live == nil {
			out = append(out, ledger.Drift{Object: c.ID.String(), Want: "(present)", Have: "(absent)"})
		}
		for _, f := range j.owner.Differences(c) {
			out = append(out, ledger.DriftOf(c.ID.String(), f))
		}
	}
	return out
}
