package health

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// The words that controllers use of themselves, in lower case and without what
// separates them.
var (
	wellWords = wordSet("running ready active bound succeeded success successful complete completed available healthy green deployed online provisioned installed " +
		"created exists valid synced synchronized established ok enabled accepted open up normal operational compliant finished done started reconciled applied initialized " +
		"attached connected protected current stable passed passing clusterrunning runningphase configured")
	busyPhases = wordSet("pending creating progressing inprogress initializing provisioning deploying updating upgrading scaling starting restarting reconciling installing " +
		"waiting scheduled scheduling queued accepted new unknown deleting terminating restoring migrating issuing validating processing preparing importing scalingup scalingdown " +
		"promoting finalising finalizing applyingchanges yellow stopping configuring planning applying attaching building bootstrapping recovering backingup " +
		"clusterreconciling clusterrollingupgrading warming syncing submitted requested rebooting modifying expanding reconfiguring rolling notreconciled unbound uninitialized notready bootstrap forming onlinepartial resourcescreated buildingkit")
	wrongPhases = wordSet("failed failure error errored degraded invalid unhealthy red lost conflict rejected crashed unavailable aborted cancelled canceled " +
		"timedout timeout stalled brokenconfig denied updatefailed createfailed addfailed configerror noncompliant critical expired outofsync broken unreachable inconclusive misconfigured abnormal terminated workflowterminated dead faulted offline noquorum quorumlost")
	heldPhases = wordSet("paused suspended suspending workflowsuspending held onhold halted cordoned hibernated stopped")
)

// Parts of reasons and messages.
var (
	wrongWords = []string{"fail", "error", "invalid", "denied", "forbidden", "notfound", "not found", "refused", "unauthorized", "rejected", "conflict", "unsupported", "degraded",
		"exceeded", "abort", "timedout", "timed out", "timeout", "crash", "backoff", "unable", "cannot", "can't", "could not", "couldn't", "missing", "expired", "unreachable", "doesn't exist", "does not exist"}
	busyWords = []string{"pending", "creating", "progress", "initializ", "provisioning", "deploying", "updating", "upgrading", "scaling", "starting", "restarting", "reconciling",
		"installing", "waiting", "scheduled", "scheduling", "queued", "issuing", "processing", "preparing", "requested", "not yet", "notyet", "rolling", "being", "deleting",
		"awaiting", "waitapplied", "configuring", "syncing", "inprogress", "bootstrapping", "unknown", "notcomplete", "not complete", "notrunning",
		"forming", "running", "migrat", "cloning", "copying", "restoring", "unavailable", "booting"}
)

func wordSet(s string) map[string]bool {
	out := map[string]bool{}
	for w := range strings.FieldsSeq(s) {
		out[w] = true
	}
	return out
}

func has(said string, list []string) bool {
	said = strings.ToLower(said)
	return slices.ContainsFunc(list, func(w string) bool { return strings.Contains(said, w) })
}

// plain is a word as the tables have it.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r == ' ' || r == '_' || r == '-' || r == '.' {
			return -1
		}
		return r
	}, strings.ToLower(s))
}

// wordFields are the fields of a status that hold a word on the whole.
var wordFields = []string{"phase", "state", "health", "status", "currentState", "currentPhase", "overallStatus", "currentStatus", "lifecycleState", "clusterState", "clusterStatus", "stage", "compliant", "printableStatus", "robustness"}

// errorFields hold what went wrong, and are empty otherwise.
var errorFields = []string{"error", "errorMessage", "failureMessage", "failureReason", "lastError", "reconciliationError", "problems"}

// words is what the words of a status say.
func words(status map[string]any, at string) []Verdict {
	var out []Verdict
	for _, name := range wordFields {
		if v, ok := word(status, name, at); ok {
			out = append(out, v)
		}
	}
	for _, name := range errorFields {
		if s := complaint(status[name]); s != "" {
			out = append(out, Verdict{State: Unhealthy, Rule: "words", Field: at + "." + name, Reason: name + ": " + s})
		}
	}
	return append(out, flags(status, at)...)
}

// complaint is an error as text: some write it with its code, some a list.
func complaint(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case map[string]any:
		if s, _ := v["message"].(string); s != "" {
			return s
		}
		s, _ := v["description"].(string)
		return s
	case []any:
		if len(v) > 0 {
			return complaint(v[0])
		}
	}
	return ""
}

// flagFields are fields that say yes or no, and what no means.
var flagFields = []struct {
	name string
	no   State
}{{"ready", Progressing}, {"readyToUse", Progressing}, {"active", Progressing}, {"healthy", Unhealthy}, {"valid", Unhealthy}, {"succeeded", Unhealthy}}

func flags(status map[string]any, at string) []Verdict {
	var out []Verdict
	for _, f := range flagFields {
		if yes, ok := status[f.name].(bool); ok {
			v := Verdict{State: Healthy, Rule: "words", Field: at + "." + f.name}
			if !yes {
				v.State, v.Reason = f.no, f.name+" is false"
			}
			out = append(out, v)
		}
	}
	for _, name := range sorted(status) {
		if yes, ok := status[name].(bool); ok && yes && polarityOf(strings.TrimPrefix(camel(name), "Is")) == busy { // isRollingUpdate
			out = append(out, Verdict{State: Progressing, Rule: "words", Field: at + "." + name, Reason: name + " is true"})
		}
	}
	return out
}

// word is what one field says.
func word(status map[string]any, name, at string) (Verdict, bool) {
	s, ok := status[name].(string)
	if !ok || s == "" {
		return Verdict{}, false
	}
	v := Verdict{State: Healthy, Rule: "words", Field: at + "." + name, Reason: fmt.Sprintf("%s is %q", name, s), said: s}
	for _, m := range []string{"message", "reason"} {
		if said, _ := status[m].(string); said != "" {
			v.Reason += ": " + said
			break
		}
	}
	switch p := bare(plain(s)); {
	case wellWords[p]:
		v.Reason = ""
	case wrongPhases[p]:
		v.State = Unhealthy
	case heldPhases[p]:
		v.State, v.Held = Progressing, true
	case busyPhases[p]:
		v.State = Progressing
	case has(s, []string{"fail", "error"}):
		v.State = Unhealthy
	case has(s, busyWords):
		v.State = Progressing
	default:
		return Verdict{}, false
	}
	return v, true
}

// bare is a word of an enumeration without what the enumeration puts before it:
// STATE_SUCCESS.
func bare(word string) string {
	for _, prefix := range []string{"state", "status", "phase"} {
		if rest, ok := strings.CutPrefix(word, prefix); ok && (wellWords[rest] || wrongPhases[rest] || heldPhases[rest] || busyPhases[rest]) {
			return rest
		}
	}
	return word
}

// endings are how kinds are called that run to an end: of them, what runs is not done.
var endings = []string{"Job", "Run", "Task", "Backup", "Restore", "Workflow", "Migration", "Experiment", "Analysis", "Test", "Export", "Import", "Build", "BackupSession", "RestoreSession", "ActionSet"}

// underWay says that words which are well for a server are not for what runs to its end.
func underWay(kind string, v Verdict) Verdict {
	if v.State == Healthy && strings.HasSuffix(v.Field, "[Running]") && slices.ContainsFunc(endings, func(end string) bool { return strings.HasSuffix(kind, end) }) {
		v.State, v.Reason = Progressing, "it has not ended: condition Running is True"
		return v
	}
	if v.State != Healthy || v.Rule != "words" || !slices.ContainsFunc(endings, func(end string) bool { return strings.HasSuffix(kind, end) }) {
		return v
	}
	if p := bare(plain(v.said)); p == "running" || p == "active" || p == "started" || p == "created" || p == "accepted" {
		v.State, v.Reason = Progressing, fmt.Sprintf("it has not ended: %s is %q", strings.TrimPrefix(v.Field, "status."), v.said)
	}
	return v
}

// wordSuffixes are how fields end that hold a word on the whole of some kinds; they
// count if nothing else says anything.
var wordSuffixes = []string{"Status", "State", "Phase", "Health", "Progress"}

// deepest bounds how many levels below a status are looked at: K8ssandra's datacenters
// lie three levels deep.
const deepest = 3

// nested looks for words in fields of other names, and for words and conditions in what
// lies deeper; a level counts only if those above it say nothing.
func nested(status map[string]any) []Verdict {
	level := map[string]map[string]any{"status": status}
	for range deepest {
		var out []Verdict
		next := map[string]map[string]any{}
		for _, at := range slices.Sorted(maps.Keys(level)) {
			fields := level[at]
			for _, name := range sorted(fields) {
				out = append(out, suffixed(fields, name, at)...)
				if inner, ok := fields[name].(map[string]any); ok {
					next[at+"."+name] = inner
					out = append(out, judge(conditionsIn(inner["conditions"]), 0, at+"."+name+".conditions")...)
					out = append(out, words(inner, at+"."+name)...)
				}
			}
		}
		if len(out) > 0 {
			return out
		}
		level = next
	}
	return nil
}

// suffixed is what a field says whose name ends as those of words do.
func suffixed(fields map[string]any, name, at string) []Verdict {
	if slices.ContainsFunc(wordSuffixes, func(end string) bool { return strings.HasSuffix(camel(name), end) }) {
		if v, ok := word(fields, name, at); ok {
			return []Verdict{v}
		}
	}
	return nil
}

// replicas is what the counts of a kind that runs pods say.
func replicas(object, status map[string]any) []Verdict {
	spec, _ := object["spec"].(map[string]any)
	want, ok := generationOf(spec["replicas"])
	if !ok {
		if want, ok = generationOf(status["replicas"]); !ok {
			return nil
		}
	}
	var out []Verdict
	for _, name := range []string{"updatedReplicas", "readyReplicas", "availableReplicas"} {
		have, ok := generationOf(status[name])
		switch {
		case ok && have < want:
			return []Verdict{{State: Progressing, Rule: "replicas", Field: "status." + name, Reason: fmt.Sprintf("%s is %d of %d", name, have, want)}}
		case ok:
			out = []Verdict{{State: Healthy, Rule: "replicas", Field: "status." + name}}
		}
	}
	return out
}

func sorted(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }
