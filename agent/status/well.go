package status

import (
	"cmp"
	"fmt"
	"strings"
	"time"
)

// NotWell says why what a release runs is not to be promoted to another environment; empty
// if it may be.
func (r ReleaseStatus) NotWell() string {
	switch {
	case r.Status != "deployed":
		return "its last revision is " + cmp.Or(r.Status, "(none)")
	case !r.Healthy || r.Doubted:
		return "it is not healthy: " + r.Reason
	case !r.BehindSince.IsZero():
		return strings.TrimSuffix(fmt.Sprintf("it is behind git since %s: %s", r.BehindSince.UTC().Format(time.RFC3339), r.Reason), ": ")
	case len(r.Drift) > 0:
		return "it is not as git says: it has drift"
	case r.Commit == "":
		return "the commit that it runs is not known"
	}
	return ""
}
