package render

import (
	"encoding/json"
	"io/fs"

	"github.com/xetys/tether/render/charts"
	"github.com/xetys/tether/render/config"
)

// weight is what a release's values are: bytes as JSON, how many, and bytes of their files.
type weight struct{ size, counted, read int }

// Prepared is a release whose inputs are read and checked, and not rendered.
type Prepared struct {
	// Digest is the input digest.
	Digest string
	// Unread says which values were left out, and why; see Config.Lenient.
	Unread []string

	environment string
	spec        config.ReleaseSpec
	chart       *charts.Chart
	values      map[string]any
	weight               // what it took to be read
	hiding      *hiding  // what must not be shown, and what may
	files       fs.FS    // where the values were read from
	blind       []string // what was left out, by its hash
	opaque      bool     // it may hold secrets that are not known
}

// inlineKey names what stands in environment.yaml of a release.
func inlineKey(s *config.ReleaseSpec) (string, error) {
	raw, err := json.Marshal([]any{s.Values, s.ValuesFrom, s.Patches})
	return string(raw), err
}

// plain returns the same as values: all of it lies open.
func plain(s *config.ReleaseSpec) (out any, err error) {
	text, err := inlineKey(s)
	if err == nil {
		err = json.Unmarshal([]byte(text), &out)
	}
	return out, err
}
