package reads

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/xetys/tether/agent/api"
	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/apply"
	"github.com/xetys/tether/apply/plan"
	"github.com/xetys/tether/apply/record"
	"github.com/xetys/tether/render/manifest"
	"github.com/xetys/tether/render/mask"
)

// Difference is how two records of a release differ.
type Difference struct {
	Name      string             `json:"name"`
	Namespace string             `json:"namespace"`
	From      int                `json:"from"`
	To        int                `json:"to"`
	Objects   []ObjectDifference `json:"objects"`
}

// ObjectDifference is one object that differs. Its action is create, update, delete or keep.
type ObjectDifference struct {
	Object string            `json:"object"`
	Action string            `json:"action"`
	Why    string            `json:"why,omitempty"`
	Fields []FieldDifference `json:"fields"`
}

// FieldDifference is one field that differs. Values are JSON, shortened; "(absent)" is no
// value, and "(masked)" one that is secret or may be.
type FieldDifference struct {
	Path string `json:"path"`
	From string `json:"from"`
	To   string `json:"to"`
}

// noValue is what a field shows that is not there.
const noValue = "(absent)"

// readDifference compares two records of a release. Where a secret went into either of
// them, or may have, the paths are told without the values.
func readDifference(ctx context.Context, c *apply.Cluster, l *ledger.Ledger, system, release string, from, to int) (*Difference, error) {
	i := slices.IndexFunc(l.Releases, func(r ledger.Release) bool { return r.Name == release })
	namespace := l.Releases[i].Namespace
	c.KnowSeal(ctx, system)
	history, err := c.Records.History(ctx, namespace, release)
	if err != nil {
		return nil, err
	}
	open := true
	read := func(revision int) (*manifest.Release, error) {
		n := slices.IndexFunc(history, func(r *record.Record) bool { return r.Revision == revision })
		if n < 0 {
			return nil, api.Missing(fmt.Errorf("release %s has no record of revision %d: %s", release, revision, listRevisions(history)))
		}
		open = open && history[n].Plain && history[n].Ours()
		return history[n].Manifest(c.Namespaced)
	}
	before, err := read(from)
	if err != nil {
		return nil, err
	}
	after, err := read(to)
	if err != nil {
		return nil, err
	}
	d := &Difference{Name: release, Namespace: namespace, From: from, To: to}
	d.compare(before, after, open)
	return d, nil
}

// compare enters which objects differ. The values are told if all of them are open, but for
// those that stand in a Secret of either.
func (d *Difference) compare(before, after *manifest.Release, open bool) {
	d.Objects = []ObjectDifference{}
	secrets := mask.New(append(secretsOf(before), secretsOf(after)...), mask.NewNames(d.Name, d.Namespace))
	shown := func(value string) string {
		if open || value == noValue {
			return secrets.Text(value)
		}
		return mask.Hidden
	}
	for _, c := range plan.CompareReleases(before, after).Changes {
		o := ObjectDifference{Object: c.ID.String(), Action: string(c.Action), Why: c.Why, Fields: []FieldDifference{}}
		for _, f := range c.Drift {
			o.Fields = append(o.Fields, FieldDifference{f.Path, shown(f.Have), shown(f.Want)})
		}
		d.Objects = append(d.Objects, o)
	}
}

// secretsOf are the values of a release's Secrets: they may stand in its other objects too,
// readable in git or not.
func secretsOf(r *manifest.Release) []string {
	var out []string
	objects := slices.Clone(r.Objects)
	for _, h := range r.Hooks {
		objects = append(objects, h.Object)
	}
	for _, o := range objects {
		if id := o.ID(); id.Kind != "Secret" || id.Group != "" {
			continue
		}
		texts, _, _ := unstructured.NestedStringMap(o.Object, "stringData") // what is no text is refused by the API server
		for _, text := range texts {
			out = append(out, text)
		}
		data, _, _ := unstructured.NestedStringMap(o.Object, "data")
		for _, text := range data {
			if raw, err := base64.StdEncoding.DecodeString(text); err == nil {
				out = append(out, string(raw))
			}
		}
	}
	return out
}

// listRevisions says which revisions there are.
func listRevisions(history record.History) string {
	if len(history) == 0 {
		return "there is none"
	}
	return fmt.Sprintf("there are %d to %d", history[0].Revision, history[len(history)-1].Revision)
}
