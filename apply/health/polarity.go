package health

import "strings"

// polarity says what the status of a condition means.
type polarity int

const (
	mute   polarity = iota
	good            // True is well, False is not, Unknown is in progress
	bad             // True is not well
	busy            // True is in progress
	part            // as good, of a part: it counts if nothing says how the whole does
	step            // as part, but True says only that a step on the way is done
	paused          // True is held
	ended           // as good, but its reason says how it ended
)

// polarities is what conditions mean by their type. What is not listed is looked up
// by its last word.
var polarities = map[string]polarity{
	"Ready": good, "Available": good, "Healthy": good, "Succeeded": good, "Successful": good, "Complete": ended, "Completed": ended, "Finished": ended, "Enforced": good, "AllInjected": good,
	"Synced": good, "Synchronized": good, "Accepted": good, "Programmed": good, "Established": good, "Reconciled": good, "Online": good,
	"Bound": good, "Valid": good, "Compliant": good, "Promoted": good, "Admitted": good, "ResolvedRefs": good, "FullyApplied": good,
	"InstallSucceeded": good, "Provisioned": good, "ReconcileSuccess": good, "Operational": good, "ValidationSucceeded": good, "Discoverable": good,
	"Contactable": good, "Reachable": good, "Serving": good, "WellFormed": good, "Formed": good,

	"Applied": part, "Deployed": part, "Configured": part, "Installed": part, "Scheduled": part, "Resolved": part, "Validated": part, "Enabled": part, "Active": part,
	"Initialized": step, "Created": step, "Registered": step, "Published": step, "Released": step, "Launched": step, "Adopted": step, "Advertised": step,

	"Failed": bad, "Failure": bad, "Degraded": bad, "Stalled": bad, "Error": bad, "Errored": bad, "Invalid": bad, "Unhealthy": bad, "Conflicted": bad,
	"ReconcileError": bad, "InvalidSpec": bad, "SpecError": bad, "ReplicaFailure": bad, "Unschedulable": bad, "Blocked": bad, "FailedScale": mute,
	"HasErrors": bad, "ErrorOccurred": bad, "Orphan": bad, "Terminal": bad, "Unreachable": bad, "NamesConflict": bad, "NotReady": bad, "PartiallyReady": mute,
	"Aborted": bad, "Cancelled": bad, "Canceled": bad, "TimedOut": bad, "Expired": bad, "Rejected": bad, "Denied": bad, "Broken": bad, "Lost": bad, "Recoverable": bad, // of ACK

	"Progressing": busy, "Reconciling": busy, "Updating": busy, "Upgrading": busy, "Creating": busy, "Deleting": busy, "Scaling": busy,
	"Pending": busy, "Initializing": busy, "Provisioning": busy, "Deploying": busy, "Restarting": busy, "RollingUpdate": busy, "Issuing": busy,
	"Migrating": busy, "Restoring": busy, "Installing": busy, "InProgress": busy, "Waiting": busy, "Processing": busy, "Terminating": busy,
	"Resuming": busy, "RollingRestart": busy, "ReplacingNodes": busy, "Resizing": busy, "Syncing": busy, "Stopping": busy, "Recovering": busy, "Synchronizing": busy, "Balancing": busy, "Rebalancing": busy,
	"Running": busy, // of operators made with Ansible: that they reconcile; see says

	"Paused": paused, "Halted": paused, "Suspended": paused, "Stopped": paused, "Hibernated": paused,

	"Upgradeable": mute, "Fallback": mute, "Updated": mute, "Warning": mute, "NonStructuralSchema": mute,
	"IPsAvailable": mute, // how many are left
}

// lastWords are what conditions mean by the end of their type.
var lastWords = []struct {
	word string
	is   polarity
}{
	{"NotReady", bad}, {"Unhealthy", bad}, {"Unavailable", bad}, {"Failed", bad}, {"Failure", bad}, {"Failing", bad}, {"Error", bad}, {"Degraded", bad}, {"Stalled", bad}, {"Conflict", bad}, {"Blocked", bad},
	{"Ready", part}, {"Available", part}, {"Healthy", part}, {"Succeeded", part}, {"Synced", part}, {"Synchronized", part}, {"Completed", part},
	{"Accepted", part}, {"UpToDate", part}, {"Generated", part}, {"Reconciled", part}, {"Valid", part}, {"Bound", part}, {"Installed", part}, {"Successful", part}, {"Applied", part},
	{"Creating", busy}, {"Updating", busy}, {"Upgrading", busy}, {"Pending", busy}, {"Provisioning", busy}, {"Progressing", busy}, {"Reconciling", busy}, {"InProgress", busy},
}

// firstWords are what conditions mean by the beginning of their type, if its end says
// nothing: ScalingUp, MissingPeerConfigs, NoMatchingNode.
var firstWords = []struct {
	word string
	is   polarity
}{
	{"Scaling", busy}, {"Updating", busy}, {"Upgrading", busy}, {"Replacing", busy}, {"Rolling", busy}, {"Restarting", busy}, {"Migrating", busy},
	{"Missing", bad}, {"Conflicting", bad}, {"Invalid", bad}, {"Bad", bad}, {"NoMatching", bad},
	{"ReadyTo", part}, {"Successful", part},
}

func polarityOf(kind string) polarity {
	if at := strings.LastIndexAny(kind, "./"); at >= 0 { // ACK.ResourceSynced, example.com/ready
		kind = kind[at+1:]
	}
	kind = camel(kind)
	if p, ok := polarities[kind]; ok {
		return p
	}
	for _, w := range lastWords {
		if strings.HasSuffix(kind, w.word) {
			return w.is
		}
	}
	for _, w := range firstWords {
		if strings.HasPrefix(kind, w.word) {
			return w.is
		}
	}
	return mute
}

// camel turns statefulset-available into StatefulsetAvailable.
func camel(kind string) string {
	parts := strings.FieldsFunc(kind, func(r rune) bool { return r == '-' || r == '_' || r == ' ' })
	for i, p := range parts {
		parts[i] = strings.ToUpper(p[:1]) + p[1:]
	}
	return strings.Join(parts, "")
}
