package main

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"

	"github.com/xetys/tether/agent/assess"
	"github.com/xetys/tether/apply/plan"
)

// signs are how an action is shown in text.
var signs = map[plan.Action]string{
	plan.Create: "+", plan.Delete: "-", plan.Update: "~", plan.Recreate: "±", plan.Deferred: "?", plan.Refused: "!", plan.Keep: "=", plan.Unchanged: " ",
}

func textOfDiff(d *assess.Difference) string {
	var b strings.Builder
	fmt.Fprintf(&b, "environment %s: from %s to %s\n", d.Environment, fromText(d), revisionText(d.To))
	for _, r := range d.Releases {
		fmt.Fprintf(&b, "\nrelease %s/%s: %s\n", r.Namespace, r.Name, actionText(r))
		for _, i := range r.Images {
			fmt.Fprintf(&b, "  image %s: %s -> %s\n", i.Image, cmp.Or(i.From, "none"), cmp.Or(i.To, "none"))
		}
		for _, risk := range r.Risks {
			fmt.Fprintf(&b, "  ⚠ %s %s\n", risk.Object, risk.Text)
		}
		for _, o := range r.Objects {
			fmt.Fprintf(&b, "  %s %s\n", signs[plan.Action(o.Action)], objectText(o))
			for _, f := range o.Fields {
				fmt.Fprintf(&b, "      %s\n", fieldText(f))
			}
		}
	}
	if !d.Any() {
		b.WriteString("no differences\n")
	}
	for _, text := range d.Unread {
		fmt.Fprintf(&b, "note: %s\n", text)
	}
	return b.String()
}

// fromText says what is compared with.
func fromText(d *assess.Difference) string {
	if d.Base == "" {
		return revisionText(d.From)
	}
	return fmt.Sprintf("%s (where it left %s)", revisionText(d.From), d.Base)
}

var fullSHA = regexp.MustCompile(`^[0-9a-f]{40}$`)

// revisionText is a revision as people read it.
func revisionText(revision string) string {
	if fullSHA.MatchString(revision) {
		return revision[:7]
	}
	return revision
}

func actionText(r assess.ReleaseDifference) string {
	if r.Reason == "" {
		return r.Action
	}
	return r.Action + ", " + r.Reason
}

func objectText(o assess.ObjectDifference) string {
	text := o.Object
	if o.Action != string(plan.Create) && o.Action != string(plan.Update) && o.Action != string(plan.Delete) && o.Action != string(plan.Unchanged) {
		text += ": " + o.Action
	}
	if o.Why != "" {
		text += " (" + o.Why + ")"
	}
	return text
}

func fieldText(f assess.FieldDifference) string {
	text := fmt.Sprintf("%s: %s -> %s", f.Path, f.From, f.To)
	if f.Foreign {
		text = fmt.Sprintf("%s: %s, foreign", f.Path, f.From)
	}
	if f.Manager != "" {
		text += ", by " + f.Manager
	}
	return text
}
