package ledger

import (
	"time"

	"github.com/xetys/tether/drift"
)

// Release is what the agent knows of a release beyond its records.
type Release struct {
	Name      string   `json:"name"`
	Namespace string   `json:"namespace"`
	Healthy   bool     `json:"healthy"`
	Reason    string   `json:"reason,omitempty"`
	BlockedBy []string `json:"blockedBy,omitempty"`
	DependsOn []string `json:"dependsOn,omitempty"`
	Drift     []Drift  `json:"drift,omitempty"`
	// MoreDrift is how many drifted fields are left out of Drift.
	MoreDrift int `json:"moreDrift,omitempty"`
	// Behind is since when the release is not what git asks for; zero if it is.
	Behind time.Time `json:"behind,omitzero"`
	// Leaving are objects that its rollouts deleted and that are not gone yet.
	Leaving []Object `json:"leaving,omitempty"`
	// HealthRevision is the newest revision of its records when Healthy was found.
	HealthRevision int `json:"seen,omitempty"`
	// Decline is there while the release is not healthy after its rollout.
	Decline *Decline `json:"decline,omitempty"`
}

// Drift is one field of one object that is not as it was applied.
type Drift struct {
	Object  string `json:"object"`
	Path    string `json:"path"`
	Want    string `json:"want"`
	Have    string `json:"have"`
	Manager string `json:"manager"`
	// Operation is the manager's: Apply or Update.
	Operation string `json:"operation,omitempty"`
	// Since is when the manager last wrote; left out if the API server does not say.
	Since time.Time `json:"since,omitzero"`
	// Refused says why the API server would not have it put back; left out if it would.
	Refused string `json:"refused,omitempty"`
	// Foreign says that a person's tool added the field beside what was applied.
	Foreign bool `json:"foreign,omitempty"`
}

// DriftOf returns a field of an object as the ledger shows it.
func DriftOf(object string, f drift.Field) Drift {
	return Drift{Object: object, Path: f.Path, Want: f.Want, Have: f.Have, Manager: f.Manager, Operation: f.Operation, Since: f.Since.UTC()}
}

// Object names an object of the cluster.
type Object struct {
	Group     string `json:"group,omitempty"`
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
}

// MostLeaving bounds how many objects a release is told to wait for the end of.
const MostLeaving = 20

// Unhealthy is since when the release has not been healthy after its rollout; zero if it
// is.
func (r *Release) Unhealthy() time.Time {
	if r.Decline == nil || !r.Decline.Mended.IsZero() {
		return time.Time{}
	}
	return r.Decline.Since
}
