package main

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/xetys/tether/agent/assess"
	"github.com/xetys/tether/apply/plan"
)

// adoptProof says what the first commit of an adopted environment changes.
type adoptProof struct {
	// Unchanged says that nothing does but whose the objects are.
	Unchanged bool `json:"unchanged"`
	// Marked are the objects that get labels and annotations of their new owner.
	Marked int `json:"marked"`
	// Changes is what else there is, a line each.
	Changes []string `json:"changes"`
}

// absent is how a difference shows a field that is not there.
const absent = "(absent)"

// proofOf holds a difference to be nothing but the owner's marks.
func proofOf(d *assess.Difference) *adoptProof {
	p := &adoptProof{Changes: slices.Concat([]string{}, d.Refusals)}
	for _, r := range d.Releases {
		switch r.Action {
		case "install", "upgrade", "repair", "none": // what these do is told of each object
		default:
			p.Changes = append(p.Changes, fmt.Sprintf("release %s: %s", r.Name, actionText(r)))
		}
		for _, risk := range r.Risks {
			if risk.Kind == plan.RiskHook {
				p.Changes = append(p.Changes, fmt.Sprintf("release %s: %s %s", r.Name, risk.Object, risk.Text))
			}
		}
		for _, o := range r.Objects {
			p.object(r.Name, o)
		}
	}
	for _, text := range d.Unread {
		p.Changes = append(p.Changes, "can't be told: "+text)
	}
	slices.Sort(p.Changes)
	p.Changes = slices.Compact(p.Changes)
	p.Unchanged = len(p.Changes) == 0
	return p
}

func (p *adoptProof) object(release string, o assess.ObjectDifference) {
	switch plan.Action(o.Action) {
	case plan.Update, plan.Unchanged:
	case plan.Refused: // it is among the refusals
		return
	default:
		p.Changes = append(p.Changes, fmt.Sprintf("release %s: %s: %s", release, o.Object, strings.TrimSpace(o.Action+" "+o.Why)))
		return
	}
	marked := o.Action == string(plan.Update)
	for _, f := range o.Fields {
		switch {
		case f.Foreign:
		case isMark(f):
			marked = true
		default:
			p.Changes = append(p.Changes, fmt.Sprintf("release %s: %s: %s", release, o.Object, fieldText(f)))
		}
	}
	if marked {
		p.Marked++
	}
}

// mark is a label or an annotation that says whose an object is: the agent's and Helm's,
// and those of the tools that had it.
var mark = regexp.MustCompile(`tether\.stytex\.cloud/environment|app\.kubernetes\.io/managed-by|meta\.helm\.sh/release-(name|namespace)|` +
	`[a-z0-9.-]*argocd\.argoproj\.io/[a-z-]+|(helm|kustomize)\.toolkit\.fluxcd\.io/[a-z-]+|kubectl\.kubernetes\.io/last-applied-configuration`)

// metadata is a field that is a label, an annotation, or all of them.
var metadata = regexp.MustCompile(`^metadata\.(?:labels|annotations)(?:\.(.+)|\[(.+)\])?$`)

// isMark reports whether a field says whose an object is, and nothing else.
func isMark(f assess.FieldDifference) bool {
	m := metadata.FindStringSubmatch(f.Path)
	if m == nil {
		return false
	}
	if key := strings.Trim(m[1]+m[2], `"`); key != "" {
		// By which Argo CD knows its objects, unless the chart says it too.
		argos := key == "app.kubernetes.io/instance" && f.To == absent && strings.HasPrefix(f.Manager, "argocd")
		return isMarkKey(key) || argos
	}
	// all labels, or annotations, where there were none
	for _, side := range []string{f.From, f.To} {
		var all map[string]string
		if side == absent {
			continue
		}
		if json.Unmarshal([]byte(side), &all) != nil {
			return false
		}
		for key := range all {
			if !isMarkKey(key) {
				return false
			}
		}
	}
	return true
}

func isMarkKey(key string) bool {
	return mark.FindString(key) == key
}

func (p *adoptProof) text() string {
	if p.Unchanged {
		return fmt.Sprintf("proven: the first commit changes nothing; %s get the labels and annotations of their new owner, and nothing restarts\n", plural(p.Marked, "object"))
	}
	var b strings.Builder
	b.WriteString("not proven: the first commit would change this, or it can't be told yet\n")
	for _, c := range p.Changes {
		fmt.Fprintf(&b, "  %s\n", c)
	}
	b.WriteString("mend it, and run tether adopt again with --prove\n")
	return b.String()
}
