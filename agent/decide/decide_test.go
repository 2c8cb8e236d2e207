package decide

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/release"

	"github.com/xetys/tether/apply/record"
)

// rec writes a record as "action digest outcome", the last one with "deployed" if
// it is what runs.
func rec(revision int, action record.Action, digest string, outcome record.Outcome, status release.Status) *record.Record {
	return &record.Record{Name: "web", Namespace: "prod", Revision: revision, Environment: "production",
		Commit: strings.Repeat(digest, 40), Action: action, Digest: digest, Outcome: outcome, Status: status}
}

func good(revision int, digest string) *record.Record {
	return rec(revision, record.Upgrade, digest, record.Good, release.StatusSuperseded)
}

func running(revision int, digest string) *record.Record {
	return rec(revision, record.Upgrade, digest, record.Good, release.StatusDeployed)
}

func failed(revision int, digest string) *record.Record {
	return rec(revision, record.Upgrade, digest, record.Failed, release.StatusFailed)
}

func abandoned(revision int, digest string) *record.Record {
	return rec(revision, record.Upgrade, digest, record.Abandoned, release.StatusFailed)
}

func pending(revision int, action record.Action, digest string) *record.Record {
	return rec(revision, action, digest, record.Pending, release.StatusPendingUpgrade)
}

func failedBack(revision int, digest string) *record.Record {
	return rec(revision, record.Rollback, digest, record.Failed, release.StatusFailed)
}

func firstRan(revision int, r *record.Record) *record.Record { r.FirstRevision = revision; return r }

func uninstalled(revision int, digest string) *record.Record {
	return rec(revision, record.Upgrade, digest, record.Good, release.StatusUninstalled)
}

func uninstalling(revision int, digest string) *record.Record {
	return rec(revision, record.Upgrade, digest, record.Good, release.StatusUninstalling)
}

func foreign(revision int, status release.Status) *record.Record {
	return &record.Record{Name: "web", Namespace: "prod", Revision: revision, Status: status, Outcome: record.Good}
}

func others(r *record.Record) *record.Record { r.Environment = "development"; return r }

func TestDecide(t *testing.T) {
	for sentence, c := range map[string]struct {
		state State
		want  string // act, and "to N" for a rollback
	}{
		"what was never there is installed":                      {State{Desired: Desired{Want: "a"}}, "install"},
		"what runs is left alone":                                {State{Desired: Desired{Want: "a"}, History: record.History{running(1, "a")}}, "none"},
		"what drifted is put back":                               {State{Desired: Desired{Want: "a", Correct: true}, History: record.History{running(1, "a")}, Live: Live{Drifted: true}}, "repair"},
		"what drifted is only told with drift: report":           {State{Desired: Desired{Want: "a"}, History: record.History{running(1, "a")}, Live: Live{Drifted: true}}, "none"},
		"new inputs are an upgrade":                              {State{Desired: Desired{Want: "b"}, History: record.History{running(1, "a")}}, "upgrade"},
		"inputs that ran before are a rollback":                  {State{Desired: Desired{Want: "a"}, History: record.History{good(1, "a"), running(2, "b")}}, "rollback to 1"},
		"of two good records of the same inputs the newest runs": {State{Desired: Desired{Want: "a"}, History: record.History{good(1, "a"), good(2, "b"), good(3, "a"), running(4, "c")}}, "rollback to 3"},
		"inputs that failed before are no rollback":              {State{Desired: Desired{Want: "b"}, History: record.History{running(1, "a"), failed(2, "b"), running(3, "a")}}, "hold"},
		"a failed rollout goes back":                             {State{Desired: Desired{Want: "b"}, History: record.History{running(1, "a"), failed(2, "b")}}, "rollback to 1"},
		"a failed rollout stays with onFailure: hold":            {State{Desired: Desired{Want: "b", OnFailure: "hold"}, History: record.History{running(1, "a"), failed(2, "b")}}, "hold"},
		"a first rollout that failed has nothing to go back to":  {State{Desired: Desired{Want: "a"}, History: record.History{failed(1, "a")}}, "hold"},
		"a failed rollout is tried again when asked":             {State{Desired: Desired{Want: "b"}, Retry: true, History: record.History{running(1, "a"), failed(2, "b")}}, "upgrade"},
		"other inputs after a failure are an upgrade":            {State{Desired: Desired{Want: "c"}, History: record.History{running(1, "a"), failed(2, "b")}}, "upgrade"},
		"a revert after a failure that stayed is a rollback":     {State{Desired: Desired{Want: "a", OnFailure: "hold"}, History: record.History{running(1, "a"), failed(2, "b")}}, "rollback to 1"},
		"an interrupted rollout is gone on with":                 {State{Desired: Desired{Want: "b"}, History: record.History{running(1, "a"), pending(2, record.Upgrade, "b")}}, "resume"},
		"an interrupted way back is gone on with":                {State{Desired: Desired{Want: "b"}, History: record.History{running(1, "a"), failed(2, "b"), pending(3, record.Rollback, "a")}}, "resume"},
		"an interrupted rollout of other inputs is passed over":  {State{Desired: Desired{Want: "c"}, History: record.History{running(1, "a"), pending(2, record.Upgrade, "b")}}, "upgrade"},
		"a revert in the middle of a rollout is a rollback":      {State{Desired: Desired{Want: "a"}, History: record.History{running(1, "a"), pending(2, record.Upgrade, "b")}}, "rollback to 1"},
		"a failed revert of what is under way goes back":         {State{Desired: Desired{Want: "b"}, History: record.History{failed(1, "b"), running(2, "a"), pending(3, record.Upgrade, "c")}}, "rollback to 2"},
		"what was begun and is blocked goes back":                {State{Desired: Desired{Want: "b"}, Holds: Holds{Blocked: "blocked by db"}, History: record.History{running(1, "a"), pending(2, record.Upgrade, "b")}}, "rollback to 1"},
		"a first install that is blocked stays as it is":         {State{Desired: Desired{Want: "b"}, Holds: Holds{Blocked: "blocked by db"}, History: record.History{pending(1, record.Install, "b")}}, "resume"},
		"what was given up for another commit may come back":     {State{Desired: Desired{Want: "b"}, History: record.History{running(1, "a"), abandoned(2, "b"), running(3, "c")}}, "upgrade"},
		"what helm installed is adopted by an upgrade":           {State{Desired: Desired{Want: "a"}, History: record.History{foreign(1, release.StatusDeployed)}}, "upgrade"},
		"what helm left pending is passed over":                  {State{Desired: Desired{Want: "a"}, History: record.History{foreign(1, release.StatusPendingInstall)}}, "install"},
		"what git no longer lists is uninstalled":                {State{History: record.History{running(1, "a")}}, "uninstall"},
		"what never became healthy is uninstalled too":           {State{History: record.History{failed(1, "a")}}, "uninstall"},
		"what is uninstalled stays so":                           {State{History: record.History{uninstalled(1, "a")}}, "none"},
		"what was uninstalled and comes back is installed":       {State{Desired: Desired{Want: "a"}, History: record.History{uninstalled(1, "a")}}, "install"},
		"what another environment owns is not touched":           {State{Desired: Desired{Want: "a"}, History: record.History{others(running(1, "a"))}}, "hold"},
		"a failed rollout that went back is held, drift is not":  {State{Desired: Desired{Want: "b", Correct: true}, Live: Live{Drifted: true}, History: record.History{running(1, "a"), failed(2, "b"), running(3, "a")}}, "repair"},
		"a failed rollout that stays is not put back as drift":   {State{Desired: Desired{Want: "b", OnFailure: "hold", Correct: true}, Live: Live{Drifted: true}, History: record.History{running(1, "a"), failed(2, "b")}}, "hold"},
		"a refused commit keeps what runs":                       {refused(State{Desired: Desired{Want: "b"}, History: record.History{running(1, "a")}}), "none"},
		"a refused commit keeps drift away":                      {refused(State{Desired: Desired{Want: "b", Correct: true}, Live: Live{Drifted: true}, History: record.History{running(1, "a")}}), "repair"},
		"a refused commit installs nothing":                      {refused(State{Desired: Desired{Want: "b"}}), "hold"},
		"a refused commit adopts nothing":                        {refused(State{Desired: Desired{Want: "b"}, History: record.History{foreign(1, release.StatusDeployed)}}), "hold"},
		"a refused commit uninstalls nothing":                    {refused(State{History: record.History{running(1, "a")}}), "none"},
		"a refused commit lets what was begun end":               {refused(State{Desired: Desired{Want: "c"}, History: record.History{running(1, "a"), pending(2, record.Upgrade, "b")}}), "resume"},
		"a refused commit lets an uninstall end":                 {refused(State{History: record.History{uninstalling(1, "a")}}), "uninstall"},
		"a refused commit lets what failed go back":              {refused(State{Desired: Desired{Want: "c"}, History: record.History{running(1, "a"), failed(2, "b")}}), "rollback to 1"},
		"what was given up for a refused commit goes back":       {refused(State{Desired: Desired{Want: "c"}, History: record.History{running(1, "a"), abandoned(2, "b")}}), "rollback to 1"},
		"what is paused is not changed":                          {State{Desired: Desired{Want: "b"}, Holds: Holds{Paused: "paused"}, History: record.History{running(1, "a")}}, "hold"},
		"what is paused is not put back":                         {State{Desired: Desired{Want: "a", Correct: true}, Holds: Holds{Paused: "paused"}, Live: Live{Drifted: true}, History: record.History{running(1, "a")}}, "none"},
		"what is paused does not go back":                        {State{Desired: Desired{Want: "b"}, Holds: Holds{Paused: "paused"}, History: record.History{running(1, "a"), failed(2, "b")}}, "hold"},
		"outside of the windows nothing begins":                  {State{Desired: Desired{Want: "b"}, Holds: Holds{Closed: "closed"}, History: record.History{running(1, "a")}}, "hold"},
		"outside of the windows nothing is removed":              {State{Holds: Holds{Closed: "closed"}, History: record.History{running(1, "a")}}, "hold"},
		"outside of the windows a revert passes":                 {State{Desired: Desired{Want: "a"}, Holds: Holds{Closed: "closed"}, History: record.History{good(1, "a"), running(2, "b")}}, "rollback to 1"},
		"outside of the windows what failed goes back":           {State{Desired: Desired{Want: "b"}, Holds: Holds{Closed: "closed"}, History: record.History{running(1, "a"), failed(2, "b")}}, "rollback to 1"},
		"outside of the windows drift is put back":               {State{Desired: Desired{Want: "b", Correct: true}, Holds: Holds{Closed: "closed"}, Live: Live{Drifted: true}, History: record.History{running(1, "a")}}, "repair"},
		"outside of the windows what was begun is ended":         {State{Desired: Desired{Want: "b"}, Holds: Holds{Closed: "closed"}, History: record.History{running(1, "a"), pending(2, record.Upgrade, "b")}}, "resume"},
		"what a failed commit changed goes back":                 {aborted(State{Desired: Desired{Want: "b"}, History: record.History{good(1, "a"), running(2, "b")}}), "rollback to 1"},
		"what a failed commit brought is removed":                {aborted(State{Desired: Desired{Want: "b"}, History: record.History{running(1, "b")}}), "uninstall"},
		"what a failed commit was about to change stays":         {aborted(State{Desired: Desired{Want: "b"}, History: record.History{running(1, "a")}}), "hold"},
		"what a failed commit did not concern stays":             {aborted(State{Desired: Desired{Want: "a"}, History: record.History{running(1, "a")}}), "none"},
		"what went back with a failed commit stays so":           {aborted(State{Desired: Desired{Want: "b"}, History: record.History{good(1, "a"), good(2, "b"), back(3, "a", "b")}}), "hold"},
		"what another environment owns is not uninstalled":       {State{History: record.History{others(running(1, "a"))}}, "none"},
		"a revert of a revert goes forward again":                {State{Desired: Desired{Want: "b"}, History: record.History{good(1, "a"), good(2, "b"), running(3, "a")}}, "upgrade to 2"},
		"what came back is as old as when it first ran":          {State{Desired: Desired{Want: "a"}, History: record.History{firstRan(1, good(7, "a")), firstRan(5, running(8, "b"))}}, "rollback to 7"},
		"so is what runs":                                        {State{Desired: Desired{Want: "b"}, History: record.History{firstRan(5, good(7, "b")), firstRan(1, running(8, "a"))}}, "upgrade to 7"},
		"outside of the windows a revert of a revert is held":    {State{Desired: Desired{Want: "b"}, Holds: Holds{Closed: "closed"}, History: record.History{good(1, "a"), good(2, "b"), running(3, "a")}}, "hold"},
		"what helm deployed by hand is gone back from":           {State{Desired: Desired{Want: "a"}, History: record.History{good(1, "a"), foreign(2, release.StatusDeployed)}}, "rollback to 1"},
		"a rollback that failed is not tried again":              {State{Desired: Desired{Want: "a"}, History: record.History{running(1, "a"), failed(2, "b"), failedBack(3, "a")}}, "hold"},
		"nor where git asks for what failed first":               {State{Desired: Desired{Want: "b"}, History: record.History{running(1, "a"), failed(2, "b"), failedBack(3, "a")}}, "hold"},
		"nor the way back from a failed revert":                  {State{Desired: Desired{Want: "b"}, History: record.History{good(1, "a"), running(2, "b"), failedBack(3, "a"), failedBack(4, "b")}}, "hold"},
		"a rollback that failed is tried again when asked":       {State{Desired: Desired{Want: "a"}, Retry: true, History: record.History{running(1, "a"), failed(2, "b"), failedBack(3, "a")}}, "rollback to 1"},
		"other inputs after a failed rollback are an upgrade":    {State{Desired: Desired{Want: "c"}, History: record.History{running(1, "a"), failed(2, "b"), failedBack(3, "a")}}, "upgrade"},
		"what helm is in the middle of is left to it":            {State{Desired: Desired{Want: "a"}, Live: Live{Busy: "helm is at it"}, History: record.History{good(1, "a"), foreign(2, release.StatusPendingUpgrade)}}, "hold"},
		"nothing is decided on what could not be asked":          {State{Desired: Desired{Want: "b"}, Live: Live{Unknown: true}, History: record.History{running(1, "a")}}, "none"},
		"what the API server would not take is held":             {State{Desired: Desired{Want: "b"}, Holds: Holds{Refused: "it is immutable"}, History: record.History{running(1, "a")}}, "hold"},
		"a refusal holds no repair":                              {State{Desired: Desired{Want: "a", Correct: true}, Live: Live{Drifted: true}, Holds: Holds{Refused: "it is immutable"}, History: record.History{running(1, "a")}}, "repair"},
		"a rollout that failed is tried again by itself":         {State{Desired: Desired{Want: "b", Retries: 1}, History: record.History{running(1, "a"), failed(2, "b")}}, "upgrade"},
		"so is a first one":                                      {State{Desired: Desired{Want: "a", Retries: 1}, History: record.History{rec(1, record.Install, "a", record.Failed, release.StatusFailed)}}, "install"},
		"what ran before its records were deleted is upgraded":   {State{Desired: Desired{Want: "a", Retries: 1}, History: record.History{failed(1, "a")}}, "upgrade"},
		"then with other inputs, too":                            {State{Desired: Desired{Want: "b"}, History: record.History{failed(1, "a")}}, "upgrade"},
		"it is tried as often as it says":                        {State{Desired: Desired{Want: "b", Retries: 1}, History: record.History{running(1, "a"), failed(2, "b"), failed(3, "b")}}, "rollback to 1"},
		"a rollback that failed is not":                          {State{Desired: Desired{Want: "a", Retries: 3}, History: record.History{running(1, "a"), failed(2, "b"), failedBack(3, "a")}}, "hold"},
		"a way back that is refused is held":                     {State{Desired: Desired{Want: "b"}, Holds: Holds{RollbackRefused: "denied"}, History: record.History{running(1, "a"), failed(2, "b")}}, "hold"},
		"a revert is not held by what kept it from going back":   {State{Desired: Desired{Want: "a", OnFailure: "hold"}, Holds: Holds{RollbackRefused: "denied"}, History: record.History{running(1, "a"), failed(2, "b")}}, "rollback to 1"},
		"what another environment lists now is left to it":       {State{Handover: Handover{Taker: "beta"}, History: record.History{running(1, "a")}}, "none"},
		"what another environment gave up is taken over":         {State{Desired: Desired{Want: "a"}, Handover: Handover{Given: true}, History: record.History{others(running(1, "a"))}}, "upgrade"},
		"what may be another environment's is not taken over":    {State{Desired: Desired{Want: "a"}, Handover: Handover{Unread: true}, History: record.History{others(running(1, "a"))}}, "hold"},
		"what an environment has that is not known is held":      {State{Desired: Desired{Want: "a"}, Handover: Handover{Confirm: "tether sync"}, History: record.History{others(running(1, "a"))}}, "hold"},
		"what another environment uninstalled is installed":      {State{Desired: Desired{Want: "a"}, History: record.History{others(uninstalled(1, "a"))}}, "install"},
		"a refused commit takes nothing over":                    {refused(State{Desired: Desired{Want: "a"}, Handover: Handover{Given: true}, History: record.History{others(running(1, "a"))}}), "hold"},
	} {
		t.Run(sentence, func(t *testing.T) {
			if have := said(Decide(c.state.complete())); have != c.want {
				t.Errorf("decided %s, want %s", have, c.want)
			}
		})
	}
}

func refused(s State) State { return s.complete().KeepCurrent("the commit is refused") }

func aborted(s State) State {
	s.Aborted, s.AbortedCommit = "release db failed", strings.Repeat("b", 40)
	return s
}

// back is a rollback to a digest, because of a commit.
func back(revision int, digest, commit string) *record.Record {
	r := rec(revision, record.Rollback, digest, record.Good, release.StatusDeployed)
	r.Commit = strings.Repeat(commit, 40)
	return r
}

// complete fills in what a case does not say: ours, listed, going back by itself.
func (s State) complete() State {
	s.Environment = "production"
	if s.Frozen == "" {
		s.Listed = s.Want != ""
	}
	if s.OnFailure == "" {
		s.OnFailure = "rollback"
	}
	return s
}

func said(d Decision) string {
	if d.To != nil {
		return fmt.Sprintf("%s to %d", d.Act, d.To.Revision)
	}
	return string(d.Act)
}

// mutations are what can happen to a release, each on its own.
var mutations = map[string]func(*State){
	"git asks for b": func(s *State) { s.Want = "b" },
	"git asks for c": func(s *State) { s.Want = "c" },
	"git drops it":   func(s *State) { s.Listed, s.Want = false, "" },
	"a ran":          func(s *State) { s.add(running, "a") },
	"b ran":          func(s *State) { s.add(running, "b") },
	"b failed":       func(s *State) { s.add(failed, "b") },
	"b, back to a failed": func(s *State) {
		if s.History.GoodWith("a") != nil { // else there was no way back
			s.add(failedBack, "a")
			s.History.Last().Commit = strings.Repeat("b", 40) // it belongs to the commit that failed
		}
	},
	"b was given up":      func(s *State) { s.add(abandoned, "b") },
	"b is under way":      func(s *State) { s.add(underWay, "b") },
	"somebody used helm":  func(s *State) { s.History = append(s.History, foreign(s.History.Next(), release.StatusDeployed)) },
	"an uninstall began":  func(s *State) { s.add(uninstalling, "a") },
	"it was uninstalled":  func(s *State) { s.add(uninstalled, "a") },
	"it drifted":          func(s *State) { s.Drifted = true },
	"drift is reported":   func(s *State) { s.Correct = false },
	"failures are held":   func(s *State) { s.OnFailure = "hold" },
	"somebody asks again": func(s *State) { s.Retry = true },
	"it is paused":        func(s *State) { s.Paused = "paused by Ann until noon" },
	"no window is open":   func(s *State) { s.Closed = "the next window opens at noon" },
	"b is blocked":        func(s *State) { s.Blocked = "blocked by db" },
	"b failed elsewhere":  func(s *State) { s.Aborted, s.AbortedCommit = "release db failed", strings.Repeat("b", 40) },
	"z it is refused":     func(s *State) { *s = s.KeepCurrent("the commit is refused") }, // the last, as in a look
}

func underWay(revision int, digest string) *record.Record {
	return pending(revision, record.Upgrade, digest)
}

// add appends a record; one that runs supersedes those before.
func (s *State) add(record func(int, string) *record.Record, digest string) {
	r := record(s.History.Next(), digest)
	if r.Status == release.StatusDeployed {
		for _, before := range s.History {
			if before.Status == release.StatusDeployed {
				before.Status = release.StatusSuperseded
			}
		}
	}
	s.History = append(s.History, r)
}

// Whatever happened, in whatever combination, these hold.
func TestDecideKeepsItsInvariants(t *testing.T) {
	names := make([]string, 0, len(mutations))
	for name := range mutations {
		names = append(names, name)
	}
	slices.Sort(names)
	step := 7 // a prime: no mutation is left out, and each two meet
	if testing.Short() {
		step = 61
	}
	for subset := 0; subset < 1<<len(names); subset += step {
		s := State{Environment: "production", Desired: Desired{Listed: true, Want: "a", OnFailure: "rollback", Correct: true}}
		var happened []string
		for i, name := range names {
			if subset&(1<<i) != 0 {
				mutations[name](&s)
				happened = append(happened, name)
			}
		}
		for invariant, broken := range invariants {
			if broken(s, Decide(s)) {
				t.Fatalf("after %s: %s is broken: %s", strings.Join(happened, ", "), invariant, said(Decide(s)))
			}
		}
	}
}

var invariants = map[string]func(State, Decision) bool{
	"the same state gives the same decision": func(s State, d Decision) bool { return said(Decide(s)) != said(d) || Decide(s).Reason != d.Reason },
	"what is decided has a reason":           func(_ State, d Decision) bool { return d.Act != None && d.Reason == "" },
	"what git drops is never deployed": func(s State, d Decision) bool {
		return !s.Listed && (d.Act == Install || d.Act == Upgrade)
	},
	"what git lists is never uninstalled": func(s State, d Decision) bool { return s.Listed && d.Act == Uninstall && s.Aborted == "" },
	"a rollback is to a good record that was not uninstalled": func(s State, d Decision) bool {
		return d.Act == Rollback && (d.To == nil || d.To.Outcome != record.Good || d.To.Status == release.StatusUninstalled)
	},
	"inputs that failed are not deployed again unasked": func(s State, d Decision) bool {
		return s.History.FailedWith(s.Want) != nil && !s.Retry && (d.Act == Install || d.Act == Upgrade)
	},
	"a way back that failed is not tried again unasked": func(s State, d Decision) bool {
		last := s.History.Last()
		return d.Act == Rollback && last.Action == record.Rollback && last.Outcome == record.Failed && last.Digest == d.To.Digest && !s.Retry
	},
	"what is held is behind git": func(_ State, d Decision) bool { return d.Act == Hold && !d.Behind },
	"drift is not put back when it is only to be reported": func(s State, d Decision) bool {
		return d.Act == Repair && (!s.Correct || !s.Drifted)
	},
	"a refused commit begins nothing new": func(s State, d Decision) bool {
		return s.Frozen != "" && s.Aborted == "" && !begun(s) && (d.Act == Install || d.Act == Upgrade || d.Act == Uninstall)
	},
	"nothing that was given up is left half done": func(s State, d Decision) bool {
		last, current := s.History.Last(), s.History.Current()
		half := s.Paused == "" && last != nil && current != nil && last != current && current.Ours() && last.Ours() &&
			(last.Outcome == record.Pending || last.Outcome == record.Abandoned)
		return half && (d.Act == None || d.Act == Hold || d.Act == Repair)
	},
	"what is paused is not touched": func(s State, d Decision) bool {
		return s.Paused != "" && d.Act != None && d.Act != Hold
	},
	"what a pause keeps from being done is said": func(s State, d Decision) bool {
		open := s
		open.Paused = ""
		return s.Paused != "" && Decide(open).Act != None && Decide(open).Act != Hold && d.Reason != s.Paused
	},
	"nothing begins while no window is open": func(s State, d Decision) bool {
		return s.Closed != "" && s.Aborted == "" && d.begins() && !begun(s)
	},
	"a closed window holds no way back and no repair": func(s State, d Decision) bool {
		open := s
		open.Closed = ""
		would := Decide(open)
		return s.Closed != "" && (would.Act == Rollback || would.Act == Repair || would.Act == Resume) && said(would) != said(d)
	},
	"nothing new begins of a commit that failed elsewhere": func(s State, d Decision) bool {
		return s.Aborted != "" && (d.Act == Install || d.Act == Upgrade)
	},
	"what a commit changed that failed elsewhere goes back": func(s State, d Decision) bool {
		last := s.History.Last()
		stays := s.Aborted == "" || !s.Listed || s.Want == "" || s.Paused != "" || last == nil || last.Commit != s.AbortedCommit || last != s.History.Current()
		return !stays && d.Act != Uninstall && (d.Act != Rollback || d.To.Commit == s.AbortedCommit)
	},
	"what was decided and done is a fixed point": func(s State, d Decision) bool {
		next := done(s, d)
		again := Decide(next).Act
		return again != None && again != Hold && s.Blocked == "" // the graph holds what is blocked
	},
}

// begun reports whether an uninstall is under way.
func begun(s State) bool {
	last := s.History.Last()
	return last != nil && last.Status == release.StatusUninstalling
}

// done is the state after a decision was carried out well.
func done(s State, d Decision) State {
	h := make(record.History, len(s.History))
	for i, r := range s.History {
		c := *r
		h[i] = &c
	}
	s.History, s.Drifted, s.Retry = h, false, false
	switch d.Act {
	case Install, Upgrade:
		s.add(running, s.Want)
	case Rollback:
		s.add(running, d.To.Digest)
	case Resume:
		s.add(running, s.History.Pending().Digest)
	case Uninstall:
		s.History.Last().Status = release.StatusUninstalled
		for _, r := range s.History[:len(s.History)-1] {
			if r.Status == release.StatusDeployed {
				r.Status = release.StatusSuperseded
			}
		}
	}
	return s
}

// Who removes what never worked is told what keeps the removal.
func TestWhatKeepsARemovalIsSaid(t *testing.T) {
	s := State{Environment: "production", History: record.History{failed(1, "a")}}
	if d := Decide(s.KeepCurrent("confirm it")); d.Act != Hold || !strings.Contains(d.Reason, "confirm it") {
		t.Errorf("%s: %s", d.Act, d.Reason)
	}
}
