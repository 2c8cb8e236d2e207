package agent

import (
	"fmt"

	"helm.sh/helm/v3/pkg/release"

	"github.com/xetys/tether/apply/record"
)

// State is all that a decision about one release depends on.
type State struct {
	// Environment is ours.
	Environment string
	// Listed says whether environment.yaml names the release.
	Listed bool
	// Want is the input digest that git asks for; empty if not Listed.
	Want string
	// History is the release's records.
	History record.History
	// OnFailure is rollback or hold.
	OnFailure string
	// Drifted says that the cluster differs from the current record.
	Drifted bool
	// Correct says whether drift is to be put back, or only reported.
	Correct bool
	// Retry says that somebody asked for a failed digest to be tried again.
	Retry bool
	// Paused says who paused the release until when; empty if nobody did.
	Paused string
	// Closed says that no deploy window is open; empty if one is.
	Closed string
	// Aborted says which release of an atomic environment failed, and AbortedCommit
	// at which commit: what that commit changed goes back.
	Aborted, AbortedCommit string
	// Blocked says which releases it depends on are not what git asks for, where that
	// keeps it from going on with what was begun.
	Blocked string
	// Kept says why nothing new may be begun; see keep.
	Kept string
}

// keep makes it the state of a release for which nothing new may be begun: what
// the newest record asked for stays in force.
func (s State) keep(why string) State {
	listed := s.Listed
	s.Kept, s.Listed, s.Retry, s.Want = why, true, false, ""
	last, current := s.History.Last(), s.History.Current()
	switch {
	case last == nil || !last.Ours() || last.Status == release.StatusUninstalled:
	case last.Status == release.StatusUninstalling:
		s.Listed = listed // what was begun is ended, unless it is wanted again
	case last.Outcome != record.Abandoned:
		s.Want = last.Digest
	case current != nil:
		s.Want = current.Digest
	}
	return s
}

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
	// To is the record to go back to, for Rollback.
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
	goBackAfterFailure,
	quarantine,
	keepCurrent,
	rollBackToGood,
	installNew,
}

// Decide says what is to be done about a release. It is pure.
func Decide(s State) Decision {
	d := decide(s)
	switch {
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

// begins reports whether the decision changes what runs to what never ran.
func (d Decision) begins() bool { return d.Act == Install || d.Act == Upgrade || d.Act == Uninstall }

// held decides on a release that is not to change now: drift is still put back,
// and what was begun is ended.
func (s State) held(why string) Decision {
	s.Aborted = ""
	d := decide(s.keep(why))
	if d.Act == None || d.Act == Hold {
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
	if last == nil || last.Environment == "" || last.Environment == s.Environment {
		return nil
	}
	if !s.Listed {
		return &Decision{Act: None}
	}
	return &Decision{Act: Hold, Behind: true, Reason: fmt.Sprintf("release %s/%s belongs to environment %s: rename it in one of the two",
		last.Namespace, last.Name, last.Environment)}
}

// beginNothing holds what would be the first to begin where nothing new may.
func beginNothing(s State) *Decision {
	if s.Kept == "" || s.Want != "" || !s.Listed {
		return nil
	}
	return &Decision{Act: Hold, Behind: true, Reason: s.Kept}
}

// uninstallUnlisted removes what environment.yaml no longer names.
func uninstallUnlisted(s State) *Decision {
	if s.Listed {
		return nil
	}
	if len(s.History.Intended()) == 0 {
		return &Decision{Act: None}
	}
	if last := s.History.Last(); last.Outcome == record.Stuck && !s.Retry {
		return &Decision{Act: Hold, Behind: true, Reason: "its uninstall failed, and is tried again when asked for"}
	}
	return &Decision{Act: Uninstall, Reason: "environment.yaml no longer lists it"}
}

// abort takes back what a commit changed of which another release failed, in an
// atomic environment.
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

// resumeInterrupted goes on with a rollout of the wanted digest, or with a way
// back from it, that was cut off. A record is never a lock: whatever else is
// pending is passed over, and what it wrote is in the inventory.
func resumeInterrupted(s State) *Decision {
	p := s.History.Pending()
	if p == nil || !p.Ours() {
		return nil
	}
	if current := s.History.Current(); s.Blocked != "" && p.Action != record.Rollback && current != nil && current.Ours() {
		return &Decision{Act: Rollback, To: current, Behind: true, Reason: fmt.Sprintf("revision %d can't be gone on with: %s", p.Revision, s.Blocked)}
	}
	if p.Digest == s.Want || p.Action == record.Rollback && s.History.FailedWith(s.Want) != nil {
		return &Decision{Act: Resume, Reason: fmt.Sprintf("the %s to revision %d was interrupted", p.Action, p.Revision)}
	}
	return nil
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
	return &Decision{Act: Rollback, To: current, Behind: true, Reason: fmt.Sprintf("revision %d failed", last.Revision)}
}

// quarantine does not try failed inputs again.
func quarantine(s State) *Decision {
	failed := s.History.FailedWith(s.Want)
	if failed == nil || s.Retry {
		return nil
	}
	reason := fmt.Sprintf("revision %d failed with the same inputs (commit %.7s): it is not tried again until they change",
		failed.Revision, failed.Commit)
	if s.Kept != "" {
		reason = s.Kept + "; " + reason // what keeps it may be mended by somebody
	}
	if last, current := s.History.Last(), s.History.Current(); last.Outcome != record.Failed && last != current && current != nil && current.Ours() {
		return &Decision{Act: Rollback, To: current, Behind: true, Reason: fmt.Sprintf("revision %d was given up; %s", last.Revision, reason)}
	}
	if s.settled() && s.Drifted && s.Correct {
		return &Decision{Act: Repair, Behind: true, Reason: "the cluster drifted; " + reason}
	}
	return &Decision{Act: Hold, Behind: true, Reason: reason}
}

// settled reports whether the cluster is held to the newest record.
func (s State) settled() bool {
	current := s.History.Current()
	return current != nil && current.Ours() && current == s.History.Last()
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

// rollBackToGood recognises what ran well before, however git came back to it.
func rollBackToGood(s State) *Decision {
	good := s.History.GoodWith(s.Want)
	if good == nil {
		return nil
	}
	return &Decision{Act: Rollback, To: good, Reason: fmt.Sprintf("its inputs are those of revision %d again", good.Revision)}
}

// installNew is for what was never there, or never became healthy.
func installNew(s State) *Decision {
	if s.History.Current() != nil {
		return nil
	}
	return &Decision{Act: Install, Reason: "it is not installed"}
}
