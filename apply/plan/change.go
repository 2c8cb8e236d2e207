package plan

import (
	"fmt"
	"reflect"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/xetys/tether/apply/ownership"
	"github.com/xetys/tether/drift"
	"github.com/xetys/tether/render/manifest"
)

// Action is what a plan does with one object.
type Action string

// The actions.
const (
	Create    Action = "create"    // it does not exist
	Update    Action = "update"    // it differs from what is wanted
	Recreate  Action = "recreate"  // it differs in what can't be changed in place
	Unchanged Action = "unchanged" // it is as wanted
	Deferred  Action = "deferred"  // its kind or namespace comes with the same commit
	Delete    Action = "delete"    // it is no longer wanted
	Keep      Action = "keep"      // it is no longer wanted, and protected
	Refused   Action = "refused"   // the API server, or we, would not have it
)

// Change is what a plan does with one object, and why.
type Change struct {
	manifest.ID
	Action Action
	Stage  Stage
	// Object is the object as it will be applied; nil for Delete and Keep.
	Object *unstructured.Unstructured
	// Live is the object as it is; nil if it does not exist.
	Live *unstructured.Unstructured
	// Drift lists what an update changes.
	Drift []drift.Field
	// Foreign lists what people's tools added to the object. An update removes it
	// if the release's owner is strict.
	Foreign []drift.Field
	// Why is a sentence for Deferred, Keep, Recreate and Refused.
	Why string
	// Adopt says that the object was managed by Helm or kubectl until now.
	Adopt bool

	// DryRun is the answer of the server-side dry-run.
	DryRun *unstructured.Unstructured
	// Deferral says more of a deferred object.
	Deferral
	flags
}

// Deferral is what is known of an object that could not be dry-run yet.
type Deferral struct {
	// Valid says that the server takes its content.
	Valid bool
	// AwaitsWebhook says that it is deferred because of a webhook that does not answer.
	AwaitsWebhook bool
}

// flags are what package plan alone knows of a change.
type flags struct {
	slim bool // an update without Live and the dry-run's answer
	hook bool // it is a hook, which is there while it runs
}

// Differs reports whether an update changes what is ours of an object.
func (c Change) Differs() bool {
	return c.Adopt || c.slim || c.DryRun != nil && !Settled(c.Live, c.DryRun, c.Drift)
}

// Settled reports whether an object without differences needs no write: a field that somebody
// else set to the wanted value still has to be written to become ours, or it would stay when
// the chart drops it.
func Settled(live, dryRun *unstructured.Unstructured, differs []drift.Field) bool {
	return len(differs) == 0 && !ownership.ManagedByOthers(live) && reflect.DeepEqual(drift.Applied(live, ownership.FieldManager), drift.Applied(dryRun, ownership.FieldManager))
}

// InSource adds the object's template to a message about it.
func InSource(why string, o manifest.Object) string {
	if o.Source == "" {
		return why
	}
	return fmt.Sprintf("%s (%s)", why, o.Source)
}

func (a Action) writes() bool { return a != Unchanged && a != Keep && a != Refused }
