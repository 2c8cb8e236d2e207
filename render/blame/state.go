package blame

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"

	"github.com/xetys/tether/drift"
	"github.com/xetys/tether/render/manifest"
)

// state is what a release rendered to, as hashes: enough to tell what changed.
type state struct {
	// Objects are by the hash of their identity; their leaves by that of their key.
	Objects map[uint64]map[uint64]uint64

	err error // why it could not be rendered
}

func stateOf(rel *manifest.Release) *state {
	s := &state{Objects: map[uint64]map[uint64]uint64{}}
	for _, o := range allOf(rel) {
		leaves := map[uint64]uint64{}
		for _, l := range drift.Leaves(o.Object.Object) {
			leaves[hashOf(l.Key)] = hashValue(l.Value)
		}
		s.Objects[objectKey(o.ID(), o.hook)] = leaves
	}
	return s
}

func (s *state) has(id manifest.ID, hook bool) bool {
	_, ok := s.Objects[objectKey(id, hook)]
	return ok
}

func (s *state) value(id manifest.ID, hook bool, key uint64) (uint64, bool) {
	v, ok := s.Objects[objectKey(id, hook)][key]
	return v, ok
}

func objectKey(id manifest.ID, hook bool) uint64 { return hashOf(fmt.Sprintf("%s %t", id, hook)) }

func hashOf(text string) uint64 {
	sum := sha256.Sum256([]byte(text))
	return binary.BigEndian.Uint64(sum[:8])
}

func hashValue(v any) uint64 {
	raw, err := json.Marshal(v)
	if err != nil { // what was read as JSON is written as JSON
		return hashOf(fmt.Sprint(v))
	}
	return hashOf(string(raw))
}

// rendered is an object, or a hook's.
type rendered struct {
	manifest.Object
	hook bool
}

func allOf(rel *manifest.Release) []rendered {
	var out []rendered
	for _, o := range rel.Objects {
		out = append(out, rendered{o, false})
	}
	for _, h := range rel.Hooks {
		out = append(out, rendered{h.Object, true})
	}
	return out
}
