package decide

import (
	"helm.sh/helm/v3/pkg/release"

	"github.com/xetys/tether/apply/record"
)

// State is all that a decision about one release depends on.
type State struct {
	// Environment is ours.
	Environment string
	Desired
	// History is the release's records.
	History record.History
	Live
	// Retry says that somebody asked for a failed digest to be tried again.
	Retry bool
	Holds
	// Aborted says which release of an atomic environment failed, and AbortedCommit
	// at which commit: what that commit changed goes back.
	Aborted, AbortedCommit string
	Handover
}

// Desired is what git asks for.
type Desired struct {
	// Listed says whether environment.yaml names the release.
	Listed bool
	// Want is the input digest that git asks for; empty if not Listed.
	Want string
	// OnFailure is rollback or hold.
	OnFailure string
	// Retries is how often a rollout that failed is tried again by itself, before OnFailure
	// counts.
	Retries int
	// Correct says whether drift is to be put back, or only reported.
	Correct bool
}

// Live is what the cluster has of the release, beside its records.
type Live struct {
	// Runs says that objects of the release are there, though no record tells of it.
	Runs bool
	// Drifted says that the cluster differs from the current record.
	Drifted bool
	// Unknown says that the cluster could not be asked whether it drifted.
	Unknown bool
	// Busy says that helm is in the middle of a rollout of its own; empty if it is not.
	Busy string
}

// Holds are the reasons that keep a release from being changed. Each is a sentence for people,
// and empty where it does not hold.
type Holds struct {
	// Paused says who paused the release until when.
	Paused string
	// Closed says that no deploy window is open.
	Closed string
	// Frozen says why nothing new may be begun; see State.KeepCurrent.
	Frozen string
	// Blocked says which releases it depends on are not what git asks for, where that keeps
	// it from going on with what was begun.
	Blocked string
	// Refused says what the API server would not take of what is to be done.
	Refused string
	// RollbackRefused says why the API server would not take the way back from a failure; empty also
	// if it was not asked.
	RollbackRefused string
}

// Handover is that the release passes from one environment to another.
type Handover struct {
	// Taker names another environment that lists the release at the same commit, when
	// this one does not: it takes the release over, and nothing is removed.
	Taker string
	// Given says that the environment which owns the release gave it up at the same
	// commit, or that somebody confirmed that it is no more: this one may take it over.
	Given bool
	// Unread says that the environment which owns the release may list it: its
	// environment.yaml can't be read at the same commit.
	Unread bool
	// Confirm says how to take the release over from an environment of which neither the
	// repository nor the agent knows; empty of one that is known.
	Confirm string
}

// KeepCurrent makes it the state of a release for which nothing new may be begun: what
// the newest record asked for stays in force.
func (s State) KeepCurrent(why string) State {
	listed := s.Listed
	s.Frozen, s.Listed, s.Retry, s.Want = why, true, false, ""
	last, current := s.History.Last(), s.History.Current()
	switch {
	case last == nil || !last.Ours() || last.Status == release.StatusUninstalled:
	case last.Status == release.StatusUninstalling:
		s.Listed = listed // what was begun is ended, unless it is wanted again
	case current == nil && s.History.IsInstalled(): // the record of what runs is gone
	case last.Outcome != record.Abandoned:
		s.Want = last.Digest
	case current != nil:
		s.Want = current.Digest
	}
	return s
}
