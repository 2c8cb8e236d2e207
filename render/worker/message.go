package worker

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/chart"

	"github.com/xetys/tether/render/manifest"
	"github.com/xetys/tether/render/patch"
	"github.com/xetys/tether/render/worker/wire"
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
	for d := range r.documents() {
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

// request is what a worker is told: what to do, or the answer to its question.
// Charts and capabilities are named, and sent along if the worker lacks them.
type request struct {
	// Call is the call that this belongs to; its answers have the same.
	Call         uint64
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
	Call     uint64
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

// answers says why a response is no answer to a request, nor a question that may come of it.
func (r *response) answers(to *request) error {
	if r.Call != to.Call {
		return fmt.Errorf("it belongs to call %d, and this is call %d", r.Call, to.Call)
	}
	if r.holds()&^r.mayHold(to.Do) != 0 || len(r.Lacks) > 0 {
		return fmt.Errorf("it has what %q does not ask for", to.Do)
	}
	if r.Question != nil {
		return nil
	}
	if r.Error != "" {
		if len(r.Error) > maxError || r.At < 0 || r.At > 0 && r.At >= len(to.Patches) {
			return errors.New("its error is longer than may be, or about a patch that is not there")
		}
		return nil
	}
	switch to.Do {
	case load, describe:
		_, err := parseOutline(r.Outline)
		return err
	case define, execute:
		if r.Rendered == nil {
			return errors.New("it has no result")
		}
		return r.Rendered.bounded()
	case alter:
		if len(r.Patched) != len(to.Objects) {
			return fmt.Errorf("%d objects came back from being patched, of %d", len(r.Patched), len(to.Objects))
		}
		return boundedPatches(r.Patched)
	}
	return nil
}

// The parts of a response.
const (
	aQuestion = 1 << iota
	anError
	names
	anOutline
	aRelease
	patched
)

// holds are the parts that a response has.
func (r *response) holds() (parts int) {
	for part, has := range map[int]bool{aQuestion: r.Question != nil, anError: r.Error != "" || r.Exceeded || r.At != 0, names: len(r.Names) > 0,
		anOutline: len(r.Outline) > 0, aRelease: r.Rendered != nil, patched: len(r.Patched) > 0} {
		if has {
			parts |= part
		}
	}
	return parts
}

// mayHold are the parts that a response may have: a question and an error stand alone.
func (r *response) mayHold(do operation) int {
	switch {
	case r.Question != nil && do == execute:
		return aQuestion
	case r.Error != "":
		return anError
	}
	return map[operation]int{load: names | anOutline, describe: anOutline, define: aRelease, execute: aRelease, alter: patched}[do]
}

// short bounds the text of an error: a template can fail with any text.
func short(text string) string {
	if len(text) <= maxError {
		return text
	}
	const mark = " …"
	return strings.ToValidUTF8(text[:maxError-len(mark)], "") + mark
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
	if err == nil && countValues(raw) > maxOutlined {
		err = tooMuch{fmt.Errorf("its Chart.yaml and Chart.lock, with those of the charts in it, hold more than %d values: write less into them", maxOutlined)}
	}
	if err == nil && len(raw) > maxOutline {
		err = tooMuch{fmt.Errorf("its Chart.yaml and Chart.lock, with those of the charts in it, hold more than %d MiB: write less into them", maxOutline>>20)}
	}
	return raw, err
}

// maxOutline bounds what is kept of a chart by who asked for it, and read there.
const maxOutline = 1 << 20

// maxOutlined bounds the values in it.
const maxOutlined = 50_000

func parseOutline(raw []byte) (*chart.Chart, error) {
	if len(raw) > maxOutline || countValues(raw) > maxOutlined {
		return nil, errors.New("a chart's outline is too large")
	}
	var o outline
	if err := json.Unmarshal(raw, &o); err != nil {
		return nil, fmt.Errorf("read a chart's outline: %w", err)
	}
	if slices.ContainsFunc(append(o.Dependencies, o.Metadata), hollow) {
		return nil, errors.New("a chart's outline has no metadata")
	}
	out := &chart.Chart{Metadata: o.Metadata, Lock: o.Lock}
	for _, m := range o.Dependencies {
		out.AddDependency(&chart.Chart{Metadata: m})
	}
	return out, nil
}

// hollow says that metadata is not there, or a dependency in it. Helm refuses charts of which
// that is so.
func hollow(m *chart.Metadata) bool { return m == nil || slices.Contains(m.Dependencies, nil) }

// The bounds of messages, in bytes of memory where they arrive. A worker is told as much as it
// can hold. What it sends is held more tightly: it may have been taken over by what it renders.
const (
	maxMessage = 128 << 20
	maxResult  = 96 << 20 // a release: see bounded
	maxListed  = 16 << 20 // a chart's folder
	maxShort   = 1 << 20  // a question
	maxHello   = 64 << 10
	maxError   = 32 << 10
)

// most is how large an answer may be.
func (o operation) most() int64 {
	switch o {
	case define, execute, alter:
		return maxResult
	case load:
		return maxListed
	}
	return 2*maxOutline + maxShort
}

type message = wire.Wire

func newWire(r io.Reader, w io.Writer) *message { return wire.New(r, w) }

// nestedCall stands between the calls of templates in an error of theirs.
const nestedCall = ": error calling "

// once says of calls in calls what is new: a template that includes itself says the
// same a thousand times.
func once(text string) string {
	return strings.Join(slices.Compact(strings.Split(text, nestedCall)), nestedCall)
}

// documents are all that it holds.
func (r *Rendered) documents() iter.Seq[manifest.Document] {
	return func(yield func(manifest.Document) bool) {
		lists := [][]manifest.Document{r.CRDs, r.Objects}
		for _, h := range r.Hooks {
			lists = append(lists, h.Documents)
		}
		for _, list := range lists {
			for _, d := range list {
				if !yield(d) {
					return
				}
			}
		}
	}
}
