package assess

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/xetys/tether/agent/decide"
	"github.com/xetys/tether/apply/plan"
	"github.com/xetys/tether/render/manifest"
)

// ImageDifference is an image that another version of is to run.
type ImageDifference struct {
	// Image is its name, without a tag.
	Image string `json:"image"`
	// From and To are versions: tags, or digests; empty if it did not run, or does not
	// any more.
	From string `json:"from"`
	To   string `json:"to"`
}

// imageDifferences lists the images that a plan changes, sorted by name.
func imageDifferences(p plan.Plan) []ImageDifference {
	before, after := map[string][]string{}, map[string][]string{}
	for _, c := range p.Changes {
		from, to := imagesOf(c)
		if c.Action != plan.Keep && c.Action != plan.Unchanged {
			versions(before, from)
			versions(after, to)
		}
	}
	out := []ImageDifference{}
	for name, from := range before {
		if to := after[name]; !slices.Equal(from, to) {
			out = append(out, ImageDifference{name, strings.Join(from, ", "), strings.Join(to, ", ")})
		}
	}
	for name, to := range after {
		if before[name] == nil {
			out = append(out, ImageDifference{name, "", strings.Join(to, ", ")})
		}
	}
	slices.SortFunc(out, func(a, b ImageDifference) int { return strings.Compare(a.Image, b.Image) })
	return out
}

// versions adds the versions of images, sorted and each once.
func versions(by map[string][]string, images []string) {
	for _, image := range images {
		name, version := manifest.ImageVersion(image)
		if !slices.Contains(by[name], version) {
			by[name] = append(by[name], version)
			slices.Sort(by[name])
		}
	}
}

// imagesOf returns the images of an object before and after a change. A plan that was
// slimmed has the fields of an update alone.
func imagesOf(c plan.Change) (from, to []string) {
	if c.Action == plan.Update && c.Live == nil {
		for _, f := range c.Drift {
			if strings.HasSuffix(f.Path, "].image") {
				from, to = append(from, unquoted(f.Have)...), append(to, unquoted(f.Want)...)
			}
		}
		return from, to
	}
	if c.Live != nil {
		from = manifest.Images([]manifest.Object{{Unstructured: c.Live}})
	}
	if c.Object != nil {
		to = manifest.Images([]manifest.Object{{Unstructured: c.Object}})
	}
	return from, to
}

// unquoted returns the text that a JSON value is; nothing for any other.
func unquoted(value string) []string {
	var text string
	if json.Unmarshal([]byte(value), &text) != nil {
		return nil
	}
	return []string{text}
}

// eventsOf are the points at which hooks run when a release is acted on.
func eventsOf(act string) []string {
	switch decide.Act(act) {
	case decide.Install:
		return []string{plan.PreInstall, plan.PostInstall}
	case decide.Upgrade:
		return []string{plan.PreUpgrade, plan.PostUpgrade}
	case decide.Rollback:
		return []string{plan.PreRollback, plan.PostRollback}
	case decide.Uninstall:
		return []string{plan.PreDelete, plan.PostDelete}
	}
	return nil
}

// effects enters what a plan changes of images, and what is to be looked at first.
func (d *ReleaseDifference) effects(p plan.Plan, hooks []manifest.Hook) {
	d.Images = imageDifferences(p)
	d.Risks = append([]plan.Risk{}, p.Risks()...)
	d.Risks = append(d.Risks, plan.HookRisks(hooks, eventsOf(d.Action)...)...)
}

// moves enters which releases are in another namespace than before: what they hold
// there goes with the namespace that they leave.
func (d *Difference) moves() {
	for i := range d.Releases {
		r := &d.Releases[i]
		for _, other := range d.Releases {
			if r.Name != other.Name || r.Action != string(decide.Uninstall) || other.Action != string(decide.Install) {
				continue
			}
			r.Risks = append(r.Risks, plan.Risk{Kind: plan.RiskNamespace, Object: r.Name, Text: "moves from namespace " + r.Namespace + " to " + other.Namespace + ": what it keeps there does not come along"})
		}
	}
}
