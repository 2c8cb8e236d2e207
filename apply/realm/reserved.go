package realm

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/xetys/tether/render/manifest"
)

// labelLedger is on every ConfigMap that an agent keeps for itself.
const labelLedger = "tether.stytex.cloud/ledger"

// agentsOwn are the kinds and names of what agents keep, in any namespace: another agent's
// environments are as much out of reach as one's own.
var agentsOwn = []struct {
	schema.GroupKind
	prefix, what string
}{
	{schema.GroupKind{Group: "coordination.k8s.io", Kind: "Lease"}, "tether-", "Leases named tether-… elect who leads an environment"},
	{schema.GroupKind{Kind: "ConfigMap"}, "tether.control.", "ConfigMaps named tether.control.… hold what people ask of an agent"},
	{schema.GroupKind{Kind: "ConfigMap"}, "tether.damaged.", "ConfigMaps named tether.damaged.… are ledgers that an agent put aside"},
	{schema.GroupKind{Kind: "ConfigMap"}, "tether.unread.", "ConfigMaps named tether.unread.… hold what was asked of an agent and can't be read"},
	{schema.GroupKind{Kind: "ConfigMap"}, "tether.notices.", "ConfigMaps named tether.notices.… hold what an agent notified people of"},
}

// reserved says why an object is no chart's to bring, wherever it lies; empty if it is.
func (r Realm) reserved(o manifest.Object) string {
	if _, is := o.GetLabels()[labelLedger]; is {
		return fmt.Sprintf("the label %s makes it an agent's own: take it away", labelLedger)
	}
	id := o.ID()
	for _, own := range agentsOwn {
		if id.GroupKind() == own.GroupKind && strings.HasPrefix(id.Name, own.prefix) {
			return own.what + ", and are no chart's to bring: rename it"
		}
	}
	return ""
}
