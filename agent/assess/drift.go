package assess

import (
	"github.com/xetys/tether/agent/ledger"
)

// ForeignFields lists what people's tools added to a release's objects and may stay.
func ForeignFields(j *Release) []ledger.Drift {
	var out []ledger.Drift
	for _, c := range j.Plan.Changes {
		for _, f := range c.Foreign {
			if d := ledger.DriftOf(c.ID.String(), f); !j.Owner.Strict {
				d.Foreign = true
				out = append(out, d)
			}
		}
	}
	return out
}

func driftOf(j *Release) []ledger.Drift {
	var out []ledger.Drift
	for _, c := range j.Plan.Refusals() {
		fields := j.Owner.Uncorrected(c)
		for _, f := range fields {
			d := ledger.DriftOf(c.ID.String(), f)
			d.Refused = ledger.Shorten(j.Veil().Mask(c.Why))
			out = append(out, d)
		}
		if len(fields) == 0 {
			out = append(out, ledger.Drift{Object: c.ID.String(), Want: "(as applied)", Have: "(refused: " + j.Veil().Mask(c.Why) + ")"})
		}
	}
	for _, c := range j.Plan.Drifted() {
		if c.Live == nil {
			out = append(out, ledger.Drift{Object: c.ID.String(), Want: "(present)", Have: "(absent)"})
		}
		for _, f := range j.Owner.Differences(c) {
			out = append(out, ledger.DriftOf(c.ID.String(), f))
		}
	}
	return out
}
