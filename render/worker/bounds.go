package worker

import (
	"fmt"
	"slices"

	"github.com/xetys/tether/render/manifest"
	"github.com/xetys/tether/render/patch"
)

// What a worker gives back is kept by who started it, and so is bounded more
// tightly than what it may use.
const (
	maxText   = 16 << 20  // of a release as it is rendered
	maxJSON   = 32 << 20  // of its objects; YAML's aliases make it longer
	maxValues = 1_000_000 // numbers, texts, lists and maps in its objects
)

// change applies patches to objects, and bounds what comes out as what is rendered.
func change(r *request, out *response) (err error) {
	if out.Patched, err = patch.Apply(r.Patches, r.Objects); err != nil {
		return err
	}
	values := 0
	for _, c := range out.Patched {
		values += countValues(c.JSON)
	}
	if values > maxValues {
		return tooMuch{fmt.Errorf("its patches make more than %d values: split the release", maxValues)}
	}
	for i, c := range out.Patched {
		if !c.Hit {
			out.Patched[i].JSON = nil // who asked has it
		}
	}
	return nil
}

// bounded refuses what is too much to be kept.
func (r *Rendered) bounded() error {
	if r == nil {
		return nil
	}
	size, values := 0, 0
	for _, d := range r.documents() {
		size += len(d.JSON)
		values += countValues(d.JSON)
	}
	switch {
	case size > maxJSON:
		return tooMuch{fmt.Errorf("its objects are larger than %d MiB: split the release", maxJSON>>20)}
	case values > maxValues:
		return tooMuch{fmt.Errorf("its objects hold more than %d values: split the release", maxValues)}
	}
	return nil
}

func (r *Rendered) documents() []manifest.Document {
	out := slices.Concat(r.CRDs, r.Objects)
	for _, h := range r.Hooks {
		out = append(out, h.Documents...)
	}
	return out
}

// countValues counts what takes memory of its own in a JSON document.
func countValues(raw []byte) int {
	n, text := 0, false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case text && c == '\\':
			i++
		case c == '"':
			text = !text
		case !text && (c == ',' || c == '{' || c == '['):
			n++
		}
	}
	return n
}
