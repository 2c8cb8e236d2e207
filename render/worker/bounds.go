package worker

import (
	"errors"
	"fmt"

	"github.com/xetys/tether/render/patch"
)

// These bound the results of a worker. Its parent holds them in memory, so that they are
// bounded more tightly than what the worker may use.
const (
	maxText    = 16 << 20  // of a release as it is rendered
	maxSourced = 32 << 20  // with the names of its templates
	maxJSON    = 32 << 20  // of its objects; YAML's aliases make it longer
	maxValues  = 1_000_000 // numbers, texts, lists and maps in its objects
)

// change applies patches to objects, and bounds what comes out as what is rendered.
func change(r *request, out *response) (err error) {
	if out.Patched, err = patch.Apply(r.Patches, r.Objects); err != nil {
		return err
	}
	if err := boundedPatches(out.Patched); err != nil {
		return err
	}
	for i, c := range out.Patched {
		if !c.Hit {
			out.Patched[i].JSON = nil // who asked has it
		}
	}
	return nil
}

func boundedPatches(patched []patch.Changed) error {
	size, values := 0, 0
	for _, c := range patched {
		size += len(c.JSON)
		values += countValues(c.JSON)
	}
	switch {
	case size > maxJSON:
		return tooMuch{fmt.Errorf("its patches make objects larger than %d MiB: split the release", maxJSON>>20)}
	case values > maxValues:
		return tooMuch{fmt.Errorf("its patches make more than %d values: split the release", maxValues)}
	}
	return nil
}

// bounded refuses what is too much to be kept. A worker asks it, so that it can say what is
// wrong, and who started the worker asks it again, who can't take its word.
func (r *Rendered) bounded() error {
	size, values, text := 0, 0, len(r.Manifest)+len(r.Notes)
	for d := range r.documents() {
		size += len(d.JSON)
		values += countValues(d.JSON)
		text += len(d.Source)
	}
	for _, h := range r.Hooks {
		text += len(h.Path) + len(h.Text)
	}
	switch {
	case size > maxJSON:
		return tooMuch{fmt.Errorf("its objects are larger than %d MiB: split the release", maxJSON>>20)}
	case values > maxValues:
		return tooMuch{fmt.Errorf("its objects hold more than %d values: split the release", maxValues)}
	case text > maxSourced:
		return tooMuch{fmt.Errorf("its texts, with the names of the templates that they come from, are larger than %d MiB: split the release", maxSourced>>20)}
	}
	return boundedDefaults(r.Defaults)
}

// boundedDefaults is the rule by which defaults are kept or not.
func boundedDefaults(raw []byte) error {
	if len(raw) > maxDefaults || countValues(raw) > maxDefaults/8 {
		return errors.New("the chart's own values are more than are kept")
	}
	return nil
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
