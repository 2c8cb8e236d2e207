package health

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// condition is one entry of a list of conditions.
type condition struct {
	kind, status, reason, message string
	generation                    int64
	generated                     bool
}

func conditionsIn(list any) []condition {
	all, _ := list.([]any)
	var out []condition
	for _, e := range all {
		m, ok := e.(map[string]any)
		if !ok {
			continue
		}
		c := condition{kind: text(m["type"]), status: text(m["status"]), reason: text(m["reason"]), message: text(m["message"])}
		if c.message == "" {
			c.message = text(m["error"])
		}
		c.generation, c.generated = generationOf(m["observedGeneration"])
		out = append(out, c)
	}
	return out
}

// text is a field as text: some write true for "True".
func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case bool:
		if v {
			return "True"
		}
		return "False"
	}
	return ""
}

// conditions is what the conditions of a status say.
func conditions(status map[string]any, generation int64) []Verdict {
	return judge(conditionsIn(status["conditions"]), generation, "status.conditions")
}

// judge asks each condition; of parts only if nothing speaks for the whole. What is
// not bad is well if nothing says more.
func judge(all []condition, generation int64, at string) []Verdict {
	var out, parts, notBad []Verdict
	underWay := slices.ContainsFunc(all, func(c condition) bool {
		return c.polarity() == busy && strings.EqualFold(c.status, "True") && !isDone(c.reason)
	})
	for _, c := range all {
		p := c.polarity()
		v, ok := c.says(p, generation)
		if ok && v.State == Unhealthy && underWay && p != bad && !c.complains() {
			v.State = Progressing // what is not there yet, while another condition says that it is coming
		}
		v.Rule, v.Field = "conditions", fmt.Sprintf("%s[%s]", at, c.kind)
		switch {
		case !ok && (p == bad || p == busy && c.kind != "Running") && strings.EqualFold(c.status, "False"):
			v.State = Healthy
			notBad = append(notBad, v)
		case !ok:
		case p == part || p == step:
			parts = append(parts, v)
		default:
			out = append(out, v)
		}
	}
	if !slices.ContainsFunc(out, func(v Verdict) bool { return v.State == Healthy || v.State == Unhealthy }) {
		out = append(out, parts...)
	}
	if len(out) == 0 {
		return notBad
	}
	return out
}

// polarity is what the status of the condition means. Running is that an operator made with
// Ansible reconciles, if that is its reason, and otherwise that what it runs does.
func (c condition) polarity() polarity {
	if c.kind == "Running" && strings.EqualFold(c.status, "True") && c.reason != "Running" {
		return part
	}
	return polarityOf(c.kind)
}

// complains reports whether the condition says that something is wrong.
func (c condition) complains() bool { return has(c.reason, wrongWords) || has(c.message, wrongWords) }

// says is what one condition says.
func (c condition) says(p polarity, generation int64) (Verdict, bool) {
	yes, no := strings.EqualFold(c.status, "True"), strings.EqualFold(c.status, "False")
	v := Verdict{Reason: c.sentence()}
	switch {
	case p == mute, c.status == "", (p == bad || p == paused) && !yes, p == step && yes:
		return Verdict{}, false
	case p == busy && yes && isDone(c.reason):
		return Verdict{}, false // it stays True when it is done: NewReplicaSetAvailable
	case c.generated && c.generation < generation:
		v.State, v.Reason = Progressing, fmt.Sprintf("condition %s is of generation %d, not %d yet", c.kind, c.generation, generation)
	case p == paused, !yes && has(c.reason, []string{"paused", "suspended"}), no && has(c.reason, []string{"stopped"}):
		v.State, v.Held = Progressing, true
	case p == bad:
		v.State = Unhealthy
	case p == busy && no:
		v.State = Unhealthy
		return v, has(c.reason, wrongWords) // ProgressDeadlineExceeded
	case p == busy:
		v.State = Progressing
		return v, yes || strings.EqualFold(c.status, "Unknown")
	case yes && p == ended && has(c.reason, wrongWords):
		v.State = Unhealthy
	case yes:
		v.State, v.Reason = Healthy, ""
	case no:
		v.State = c.meaning()
	default:
		v.State = Progressing
	}
	return v, true
}

// isDone reports whether the reason of a condition that is busy says that it is done.
func isDone(reason string) bool {
	done := []string{"available", "successful", "succeeded", "complete"}
	return has(reason, done) && !has(reason, []string{"unavailable", "notavailable", "incomplete", "notcomplete", "unsuccessful"})
}

// meaning tells what is on its way from what went wrong, by the words of the reason
// and then of the message.
func (c condition) meaning() State {
	if c.reason == "" && c.message == "" {
		return Progressing
	}
	if message := strings.ToLower(c.message); strings.HasPrefix(message, "fail") || strings.HasPrefix(message, "error") {
		return Unhealthy // Reconciling: Failed to create
	}
	for _, said := range []string{c.reason, c.message} {
		if has(said, []string{" until "}) && !has(said, []string{"fail", "error"}) { // cannot be modified until
			return Progressing
		}
		if has(said, wrongWords) {
			return Unhealthy
		}
		if has(said, busyWords) || strings.HasSuffix(said, "NotReady") && said != "NotReady" || countsUp(said) { // what it waits for is not
			return Progressing
		}
	}
	return Unhealthy
}

var howMany = regexp.MustCompile(`\b[0-9]+/[0-9]+\b`)

// countsUp reports whether a text says how many of some are there.
func countsUp(said string) bool { return howMany.MatchString(said) }

func (c condition) sentence() string {
	s := fmt.Sprintf("condition %s is %s", c.kind, c.status)
	if c.reason != "" {
		s += " (" + c.reason + ")"
	}
	if c.message != "" {
		s += ": " + c.message
	}
	return s
}

// parentLists are where conditions stand by parent: of Gateway API, and of routers.
var parentLists = []string{"parents", "ancestors", "listeners", "ingress"}

// parents is what lists of conditions by parent say. A controller writes all of its
// entries at once: one that it did not write with the newest is a leftover.
func parents(status map[string]any, generation int64) []Verdict {
	var out []Verdict
	for _, name := range parentLists {
		list, there := status[name].([]any)
		if there && len(list) == 0 && name != "ingress" {
			out = append(out, Verdict{State: Progressing, Rule: "conditions", Field: "status." + name, Reason: "no controller has taken it: status." + name + " is empty"})
		}
		newest := map[string]int64{}
		for _, e := range list {
			controller, g := written(e)
			newest[controller] = max(newest[controller], g)
		}
		for i, e := range list {
			if controller, g := written(e); g < newest[controller] && newest[controller] >= generation {
				continue
			}
			m, _ := e.(map[string]any)
			out = append(out, judge(conditionsIn(m["conditions"]), generation, fmt.Sprintf("status.%s[%d].conditions", name, i))...)
		}
	}
	return out
}

// written says by whom and for which generation an entry was written.
func written(entry any) (string, int64) {
	m, _ := entry.(map[string]any)
	newest := int64(0)
	for _, c := range conditionsIn(m["conditions"]) {
		newest = max(newest, c.generation)
	}
	return text(m["controllerName"]), newest
}
