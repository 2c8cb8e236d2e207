// Package decide says what is to be done about each release, when and in which order.
//
// It is pure: it does not know git, the cluster or the clock, and reads and writes
// nothing. Every reason to hold a release, or to let it go on, is an input.
package decide

import (
	"fmt"
	"slices"

	"helm.sh/helm/v3/pkg/release"

	"github.com/xetys/tether/apply/record"
)

// Act is what is to be done about a release.
type Act string

// The acts.
const (
	None      Act = "none"
	Install   Act = "install"
	Upgrade   Act = "upgrade"
	Rollback  Act = "rollback"
	Resume    Act = "resume" // go on with the rollout that the newest record intended
	Repair    Act = "repair" // put drift back
	Uninstall Act = "uninstall"
	Hold      Act = "hold" // do nothing, and say why
)

// Decision is what is to be done about a release, and why.
type Decision struct {
	Act Act
	// To is the record whose manifest is applied again: always for Rollback, and for an
	// Upgrade to inputs that ran before.
	To *record.Record
	// Reason is a sentence for people; stable for the same state.
	Reason string
	// Behind says that the cluster is not what git asks for, and stays so.
	Behind bool
}

// rules are asked in order; the first that has an answer wins.
var rules = []func(State) *Decision{
	leaveForeign,
	beginNothing,
	uninstallUnlisted,
	abort,
	resumeInterrupted,
	retryFailed,
	goBackAfterFailure,
	quarantine,
	keepCurrent,
	rollBackToGood,
	installNew,
}

// Decide says what is to be done about a release. It is pure.
func Decide(s State) Decision {
	if s.Unknown {
		return Decision{Act: None} // it is looked at again
	}
	d := unlessHeld(s)
	if s.Refused != "" && d.Changes() {
		return Decision{Act: Hold, Behind: true, Reason: s.Refused}
	}
	return d
}

// unlessHeld is what the rules decide, unless something keeps it from being done.
func unlessHeld(s State) Decision {
	d := decide(s)
	if s.RollbackRefused != "" && d.Behind && (d.Act == Rollback || d.Act == Resume) {
		d = Decision{Act: Hold, Behind: true, Reason: "it can't go back: " + s.RollbackRefused}
	}
	switch {
	case s.Busy != "" && d.Acts():
		return Decision{Act: Hold, Behind: true, Reason: s.Busy}
	case s.Paused != "" && d.Act == Repair:
		return Decision{Act: None, Behind: d.Behind, Reason: s.Paused}
	case s.Paused != "" && d.Act != None:
		return Decision{Act: Hold, Behind: true, Reason: s.Paused}
	case s.Aborted != "" && d.Reason == s.Aborted:
		return d
	case s.Aborted != "" && (d.begins() || d.Act == Rollback && d.To.Commit == s.AbortedCommit):
		return s.held(s.Aborted)
	case s.Closed != "" && d.begins():
		return s.held(s.Closed)
	}
	return d
}

// Changes reports whether the decision is a new rollout, as opposed to keeping what is
// there.
func (d Decision) Changes() bool {
	switch d.Act {
	case Install, Upgrade, Rollback, Resume, Uninstall:
		return true
	}
	return false
}

// Acts reports whether there is anything to be done.
func (d Decision) Acts() bool { return d.Act != None && d.Act != Hold }

// begins reports whether the decision changes what runs to what never ran.
func (d Decision) begins() bool { return d.Act == Install || d.Act == Upgrade || d.Act == Uninstall }

// held decides on a release that is not to change now: drift is still put back,
// and what was begun is ended.
func (s State) held(why string) Decision {
	aborted := s.Aborted != ""
	s.Aborted = ""
	d := decide(s.KeepCurrent(why))
	stuck := aborted && failedToGoBack(s.History) // forward again would begin a circle
	if d.Act == None || d.Act == Hold || stuck && d.Act == Rollback && d.To.Commit == s.AbortedCommit {
		return Decision{Act: Hold, Behind: true, Reason: why}
	}
	d.Behind = true
	return d
}

func decide(s State) Decision {
	for _, rule := range rules {
		if d := rule(s); d != nil {
			return *d
		}
	}
	return Decision{Act: Upgrade, Reason: "its inputs changed"}
}

// leaveForeign keeps away from a release that another environment owns.
func leaveForeign(s State) *Decision {
	last := s.History.Last()
	if last == nil || last.Environment == "" || last.Environment == s.Environment || last.Status == release.StatusUninstalled {
		return nil
	}
	switch {
	case !s.Listed:
		return &Decision{Act: None}
	case s.Given && s.Frozen == "":
		return &Decision{Act: Upgrade, Reason: fmt.Sprintf("environment %s gave it up", last.Environment)}
	case s.Unread:
		return &Decision{Act: Hold, Behind: true, Reason: fmt.Sprintf("release %s/%s belongs to environment %s, whose environment.yaml can't be read: it is taken over once that is mended and does not list it",
			last.Namespace, last.Name, last.Environment)}
	case s.Confirm != "":
		return &Decision{Act: Hold, Behind: true, Reason: fmt.Sprintf("release %s/%s belongs to environment %s, which neither this repository nor this agent has: if no other agent keeps it, take it over with %s",
			last.Namespace, last.Name, last.Environment, s.Confirm)}
	}
	return &Decision{Act: Hold, Behind: true, Reason: fmt.Sprintf("release %s/%s belongs to environment %s: take it out of environments/%s in the same commit, or rename it in one of the two",
		last.Namespace, last.Name, last.Environment, last.Environment)}
}

// beginNothing holds a release that has never run, while nothing new may be begun.
func beginNothing(s State) *Decision {
	if s.Frozen == "" || s.Want != "" || !s.Listed {
		return nil
	}
	return &Decision{Act: Hold, Behind: true, Reason: s.Frozen}
}

// uninstallUnlisted removes what environment.yaml no longer names.
func uninstallUnlisted(s State) *Decision {
	if s.Listed {
		return nil
	}
	if len(s.History.Intended()) == 0 {
		return &Decision{Act: None, Reason: s.orphaned()}
	}
	if s.Taker != "" {
		return &Decision{Act: None, Reason: fmt.Sprintf("environment %s lists it now, and takes it over", s.Taker)}
	}
	if last := s.History.Last(); last.Outcome == record.Stuck && !s.Retry {
		return &Decision{Act: Hold, Behind: true, Reason: "its uninstall failed, and is tried again when asked for"}
	}
	return &Decision{Act: Uninstall, Reason: "environment.yaml no longer lists it"}
}

// orphaned says of an unlisted release without records that objects of it are there; empty
// if none are. Which objects it had nobody knows, so none is deleted.
func (s State) orphaned() string {
	if !s.Runs || s.History.Last() != nil {
		return ""
	}
	return "environment.yaml no longer lists it, and its records are gone: its objects stay until somebody deletes them, or lists it once more and then takes it out"
}

// abort rolls back a release, in an atomic environment, after another release of the same
// commit has failed.
func abort(s State) *Decision {
	last, current := s.History.Last(), s.History.Current()
	if s.Aborted == "" || last == nil || last.Commit != s.AbortedCommit || !last.Ours() || last.Outcome == record.Failed {
		return nil
	}
	before := s.History.GoodWithout(s.AbortedCommit)
	switch {
	case before != nil && last == current && last.Digest == before.Digest:
		return nil // it went back already
	case before != nil:
		return &Decision{Act: Rollback, To: before, Behind: true, Reason: s.Aborted}
	case last.Status == release.StatusUninstalled:
		return nil
	}
	return &Decision{Act: Uninstall, Behind: true, Reason: s.Aborted}
}

// resumeInterrupted continues an interrupted rollout of the wanted digest, or an interrupted
// rollback from it. A record is never a lock: any other pending record is skipped, and the
// objects that it wrote are in the inventory.
func resumeInterrupted(s State) *Decision {
	p := s.History.Pending()
	if p == nil || !p.Ours() {
		return nil
	}
	if current := s.History.Current(); s.Blocked != "" && p.Action != record.Rollback && current != nil && current.Ours() {
		return &Decision{Act: Rollback, To: current, Behind: true, Reason: fmt.Sprintf("revision %d can't be gone on with: %s", p.Revision, s.Blocked)}
	}
	reason := fmt.Sprintf("the %s to revision %d was interrupted", p.Action, p.Revision)
	switch {
	case p.Digest == s.Want:
		return &Decision{Act: Resume, Reason: reason}
	case p.Action == record.Rollback && s.History.FailedWith(s.Want) != nil:
		return &Decision{Act: Resume, Reason: reason, Behind: true}
	}
	return nil
}

// retryFailed tries a rollout that failed again, as often as the release says.
func retryFailed(s State) *Decision {
	tries := 0
	for _, r := range slices.Backward(s.History) {
		if r.Damage != "" {
			continue // it says nothing
		}
		if r.Outcome != record.Failed || r.Digest != s.Want || r.Action == record.Rollback {
			break
		}
		tries++
	}
	if tries == 0 || tries > s.Retries || s.Frozen != "" || s.Aborted != "" {
		return nil
	}
	act := Upgrade
	if s.History.Current() == nil && !s.History.IsInstalled() {
		act = Install
	}
	return &Decision{Act: act, Reason: fmt.Sprintf("revision %d failed, and is tried again (%d of %d)", s.History.Last().Revision, tries, s.Retries)}
}

// goBackAfterFailure returns to what last worked when the newest rollout failed.
func goBackAfterFailure(s State) *Decision {
	last, current := s.History.Last(), s.History.Current()
	if last == nil || current == nil || last.Outcome != record.Failed || s.OnFailure != "rollback" || s.Retry {
		return nil
	}
	if !current.Ours() || last.Digest != s.Want {
		return nil
	}
	if failedToGoBack(s.History) && last.Digest == current.Digest {
		return nil // the way back to it is what failed: another try would fail as well
	}
	return &Decision{Act: Rollback, To: current, Behind: true, Reason: fmt.Sprintf("revision %d failed", last.Revision)}
}

// failedToGoBack reports whether the newest rollout was a way back, and failed.
func failedToGoBack(h record.History) bool {
	last := h.Last()
	return last != nil && last.Action == record.Rollback && last.Outcome == record.Failed
}

// quarantine does not try failed inputs again.
func quarantine(s State) *Decision {
	failed := s.History.FailedWith(s.Want)
	if failed == nil || s.Retry {
		return nil
	}
	reason := fmt.Sprintf("revision %d failed with the same inputs (commit %.7s): it is not tried again until they change",
		failed.Revision, failed.Commit)
	if s.Frozen != "" {
		reason = s.Frozen + "; " + reason // what keeps it may be mended by somebody
	}
	if last, current := s.History.Last(), s.History.Current(); last.Outcome != record.Failed && last != current && current != nil && current.Ours() {
		return &Decision{Act: Rollback, To: current, Behind: true, Reason: fmt.Sprintf("revision %d was given up; %s", last.Revision, reason)}
	}
	if s.Drifted && s.Corrects() {
		return &Decision{Act: Repair, Behind: true, Reason: "the cluster drifted; " + reason}
	}
	return &Decision{Act: Hold, Behind: true, Reason: reason}
}

// Corrects reports whether drift is put back: where it is asked for, and the cluster was
// left with what ran well. What failed and is live is left to people.
func (s State) Corrects() bool {
	current := s.History.Current()
	return s.Correct && current != nil && current.Ours() && current == s.History.Settled()
}

// keepCurrent leaves a release alone that is what git asks for, but for drift.
func keepCurrent(s State) *Decision {
	current, last := s.History.Current(), s.History.Last()
	if current == nil || current.Digest != s.Want || current.Outcome != record.Good {
		return nil
	}
	switch {
	case last != current:
		return &Decision{Act: Rollback, To: current, Reason: fmt.Sprintf("revision %d was given up", last.Revision)}
	case s.Drifted && s.Correct:
		return &Decision{Act: Repair, Reason: "the cluster drifted from it"}
	}
	return &Decision{Act: None}
}

// rollBackToGood recognises inputs that succeeded before, however git returned to them. If they
// first ran before those that run now, it is a rollback; if they first ran after them, as with
// the revert of a revert, it is an upgrade to the recorded manifest.
func rollBackToGood(s State) *Decision {
	good, current := s.History.GoodWith(s.Want), s.History.Current()
	if good == nil {
		return nil
	}
	if current != nil && current.Ours() && s.History.First(s.Want) > s.History.First(current.Digest) {
		return &Decision{Act: Upgrade, To: good, Reason: fmt.Sprintf("its inputs are those of revision %d again, which is newer than what runs", good.Revision)}
	}
	return &Decision{Act: Rollback, To: good, Reason: fmt.Sprintf("its inputs are those of revision %d again", good.Revision)}
}

// installNew installs a release that was never there, or never became healthy. A release that
// runs, but whose record was deleted or is damaged, is upgraded, so that its install hooks do
// not run again.
func installNew(s State) *Decision {
	switch {
	case s.History.Current() != nil:
		return nil
	case s.History.IsInstalled() || s.Runs && s.History.Last() == nil:
		return &Decision{Act: Upgrade, Reason: "it runs, and the record of it is gone"}
	}
	return &Decision{Act: Install, Reason: "it is not installed"}
}
