package worker

import (
	"encoding/gob"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/chart"

	"github.com/xetys/tether/render/manifest"
	"github.com/xetys/tether/render/patch"
)

// File is a file of a chart.
type File struct {
	Name string
	Data []byte
}

// Chart is a chart's files, and what it refers to by other means. It is not
// changed any more.
type Chart struct {
	// ID names its contents: a worker is sent them once.
	ID    string
	Files []File
	Deps  []*Chart
}

func (c *Chart) size() int {
	n := 0
	for _, f := range c.Files {
		n += len(f.Name) + len(f.Data)
	}
	for _, d := range c.Deps {
		n += d.size()
	}
	return n
}

// Capabilities are what a chart sees of a cluster.
type Capabilities struct {
	KubeVersion string
	APIVersions []string
}

// Release is what a chart is rendered as.
type Release struct {
	Name, Namespace string
	Values          []byte // JSON
	Revision        int
	IsUpgrade       bool
	// Installs has charts see what their own CRDs define.
	Installs bool
}

// Question asks what lookup asks of the cluster: one object, or without a name all
// of a kind.
type Question struct{ APIVersion, Kind, Namespace, Name string }

// Lookup answers a question with an object or a list as JSON; nothing if there is
// none.
type Lookup func(Question) ([]byte, error)

// Rendered is a release as it comes out of its templates.
type Rendered struct {
	Chart           manifest.Chart
	Defaults        []byte // the chart's own values, as JSON; empty if they are too large to be kept
	Notes, Manifest string
	CRDs, Objects   []manifest.Document
	Hooks           []Hook
}

// Size is how many bytes it takes, roughly.
func (r *Rendered) Size() int {
	n := len(r.Notes) + len(r.Manifest) + len(r.Defaults)
	for _, d := range r.documents() {
		n += len(d.JSON)
	}
	for _, h := range r.Hooks {
		n += len(h.Text)
	}
	return n
}

// Hook is a hook as it was rendered; Documents are those of Text.
type Hook struct {
	Path, Text             string
	Documents              []manifest.Document
	Weight                 int
	Events, DeletePolicies []string
}

// Loaded is a folder that was read as a chart.
type Loaded struct {
	// Names are the files that .helmignore leaves.
	Names []string
	// Outline has the metadata of the chart and of its dependencies, and no files.
	Outline *chart.Chart
}

type operation string

const (
	load     operation = "load"
	describe operation = "describe"
	check    operation = "check"
	define   operation = "define"
	execute  operation = "render"
	alter    operation = "patch"
)

// request is what a worker is told: what to do, or the answer to its question.
// Charts and capabilities are named, and sent along if the worker lacks them.
type request struct {
	Do           operation
	Folder       string
	Chart        string
	NewChart     *Chart
	Capabilities *Capabilities // those of before if nil
	Release      Release
	Answer       []byte
	AnswerError  string
	Patches      []patch.Patch
	Objects      [][]byte // JSON
}

// response is a worker's result, or its question.
type response struct {
	Question *Question
	Error    string
	Exceeded bool // Error is about a bound
	At       int  // which patch it is about
	Names    []string
	Outline  []byte // JSON
	Rendered *Rendered
	Patched  []patch.Changed
	Resident int64    // the memory that it has, in bytes
	Lacks    []string // what the kernel could not bound it with; in the first one
}

// outline is what is left of a chart without its files.
type outline struct {
	Lock         *chart.Lock `json:",omitempty"`
	Metadata     *chart.Metadata
	Dependencies []*chart.Metadata
}

func outlineOf(c *chart.Chart) ([]byte, error) {
	o := outline{Metadata: c.Metadata, Lock: c.Lock}
	for _, d := range c.Dependencies() {
		o.Dependencies = append(o.Dependencies, d.Metadata)
	}
	raw, err := json.Marshal(o)
	if err == nil && len(raw) > maxOutline {
		err = tooMuch{fmt.Errorf("its Chart.yaml and Chart.lock, with those of the charts in it, hold more than %d MiB: write less into them", maxOutline>>20)}
	}
	return raw, err
}

// maxOutline bounds what is kept of a chart by who asked for it, and read there.
const maxOutline = 1 << 20

func parseOutline(raw []byte) (*chart.Chart, error) {
	var o outline
	if err := json.Unmarshal(raw, &o); err != nil {
		return nil, fmt.Errorf("read a chart's outline: %w", err)
	}
	if o.Metadata == nil {
		return nil, fmt.Errorf("a chart's outline has no metadata")
	}
	out := &chart.Chart{Metadata: o.Metadata, Lock: o.Lock}
	for _, m := range o.Dependencies {
		out.AddDependency(&chart.Chart{Metadata: m})
	}
	return out, nil
}

// maxMessage bounds a message. Charts and results have smaller bounds of their own.
const maxMessage = 128 << 20

// wire carries messages: gob's, each of maxMessage at the most.
type wire struct {
	encoder *gob.Encoder
	decoder *gob.Decoder
	reader  *io.LimitedReader
}

func newWire(r io.Reader, w io.Writer) *wire {
	limited := &io.LimitedReader{R: r}
	return &wire{encoder: gob.NewEncoder(w), decoder: gob.NewDecoder(limited), reader: limited}
}

func (w *wire) send(m any) error { return w.encoder.Encode(m) }

func (w *wire) receive(m any) error {
	w.reader.N = maxMessage
	return w.decoder.Decode(m)
}

// nestedCall stands between the calls of templates in an error of theirs.
const nestedCall = ": error calling "

// once says of calls in calls what is new: a template that includes itself says the
// same a thousand times.
func once(text string) string {
	return strings.Join(slices.Compact(strings.Split(text, nestedCall)), nestedCall)
}
