package status

import (
	"context"
	"fmt"
	"time"

	"github.com/xetys/tether/agent/lead"
	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/apply"
	"github.com/xetys/tether/apply/apierror"
)

// Leader is the agent that leads an environment, by its Lease.
type Leader struct {
	Alive    bool      `json:"alive"`
	Identity string    `json:"identity,omitempty"`
	Renewed  time.Time `json:"renewed,omitzero"`

	// doubt says why the holder is not believed to lead; empty if it is.
	doubt string
	// Never says that no agent ever led it here.
	Never bool `json:"-"`
	// Unknown says that who asks may not read the Lease.
	Unknown bool `json:"-"`
}

// Trouble says in one line that nobody leads; nothing if an agent does, or if that can't
// be told.
func (l Leader) Trouble(environment string) string {
	switch {
	case l.Alive || l.Unknown:
		return ""
	case l.Never:
		return fmt.Sprintf("no agent has led %s in this cluster yet", environment)
	case l.doubt != "":
		return fmt.Sprintf("no agent leads %s: %s", environment, l.doubt)
	case l.Identity == "":
		return fmt.Sprintf("no agent leads %s: what follows is as the last one left it", environment)
	}
	return fmt.Sprintf("no agent leads %s: %s last renewed its Lease at %s", environment, l.Identity, l.Renewed.Format(time.RFC3339))
}

// ReadLeader reads who leads an environment.
func ReadLeader(ctx context.Context, c *apply.Cluster, namespace, environment string, now time.Time) (Leader, error) {
	lease, err := c.ReadLease(ctx, namespace, ledger.Name(environment))
	switch {
	case apierror.Forbidden(err):
		return Leader{Unknown: true}, nil
	case err != nil || lease == nil:
		return Leader{Never: true}, err
	}
	return Leader{Alive: lease.Lasts(now) && !lease.Stranger, Identity: lease.Holder, Renewed: seconds(lease.Renewed), doubt: lead.Doubt(lease, now)}, nil
}
