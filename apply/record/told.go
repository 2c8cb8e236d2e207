package record

import (
	"strings"
	"time"

	"github.com/xetys/tether/source/printable"
)

// maxDescription bounds what helm history shows: an error may quote anything.
const maxDescription = 4 << 10

func bounded(text string) string {
	if len(text) <= maxDescription {
		return text
	}
	return strings.ToValidUTF8(text[:maxDescription], "") + "…"
}

// maxTold bounds what is told of a chart: its author may have it say anything.
const maxTold = 200

// describe reads what is not on the record's labels, and keeps that alone. A damaged
// body describes nothing, and sets the record aside.
func (r *Record) describe() *about {
	if r.about != nil {
		return r.about
	}
	if r.decoded == nil && r.body == nil {
		return &about{}
	}
	held := r.decoded != nil
	rel, err := r.Release()
	if !held {
		r.decoded = nil
	}
	r.about = &about{}
	if err != nil {
		return r.about
	}
	r.about.description, r.about.updated, r.about.first = bounded(rel.Info.Description), rel.Info.LastDeployed.Time, rel.Info.FirstDeployed.Time
	if rel.Chart != nil && rel.Chart.Metadata != nil {
		m := rel.Chart.Metadata
		r.about.chart, r.about.version, r.about.appVersion = printable.Line(m.Name, maxTold), printable.Line(m.Version, maxTold), printable.Line(m.AppVersion, maxTold)
	}
	return r.about
}

// ChartName returns the name of the chart that the record was rendered from, as it is told.
func (r *Record) ChartName() string { return r.describe().chart }

// ChartVersion returns the chart's version, as it is told.
func (r *Record) ChartVersion() string { return r.describe().version }

// AppVersion returns the chart's appVersion, as it is told.
func (r *Record) AppVersion() string { return r.describe().appVersion }

// Description returns Helm's description of what became of the record.
func (r *Record) Description() string { return r.describe().description }

// Updated returns when the record's rollout began; when its Secret was made if the record does
// not say it, or can't be read.
func (r *Record) Updated() time.Time {
	if at := r.describe().updated; !at.IsZero() {
		return at
	}
	return r.created
}

// Begun returns when the record's rollout began, as far as it can be believed: not after the
// API server was first told of it.
func (r *Record) Begun() time.Time {
	at := r.Updated()
	if !r.created.IsZero() && r.created.Before(at) {
		return r.created
	}
	return at
}
