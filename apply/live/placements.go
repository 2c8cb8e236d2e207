package live

import (
	"encoding/json"
	"hash/maphash"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/xetys/tether/apply/ownership"
	"github.com/xetys/tether/drift"
	"github.com/xetys/tether/render/manifest"
)

// Placement is an object after the agent's last write: a hash of what was wanted, and hashes of
// the live fields.
type Placement struct {
	want    uint64
	Live    drift.Hash
	Foreign drift.Hash // of what people's tools had added
}

// Placements are the objects of an environment after the agent's last write of each: an object
// that still has these hashes has not drifted. They are safe for concurrent use.
type Placements struct {
	mu    sync.Mutex
	known map[manifest.ID]Placement
}

// NewPlacements returns Placements without objects.
func NewPlacements() *Placements { return &Placements{known: map[manifest.ID]Placement{}} }

var seed = maphash.MakeSeed()

// Fingerprint is a hash of an object's content, valid within this process.
func Fingerprint(u *unstructured.Unstructured) uint64 {
	raw, err := json.Marshal(u.Object) // maps are written in the order of their keys
	if err != nil {
		return 0
	}
	return maphash.Bytes(seed, raw)
}

// Remember remembers that live is how want looks in the cluster.
func (p *Placements) Remember(id manifest.ID, want, live *unstructured.Unstructured) {
	hash, err := drift.Projection(live, ownership.FieldManager)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		delete(p.known, id)
		return
	}
	p.known[id] = Placement{want: Fingerprint(want), Live: hash, Foreign: drift.ForeignHash(live, ownership.FieldManager, ownership.Tools)}
}

// Hashes returns the hashes of objects, one after the other, for Trust in another process; an
// unknown object has zeros.
func (p *Placements) Hashes(objects []manifest.ID) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]byte, 0, len(objects)*len(drift.Hash{}))
	for _, id := range objects {
		hash := p.known[id].Live
		out = append(out, hash[:]...)
	}
	return out
}

// Trust takes over what Hashes returned in an earlier process for the same objects: an object
// that still has its hash needs no dry-run. left may be shorter than objects.
func (p *Placements) Trust(objects []manifest.Object, left []byte) {
	size := len(drift.Hash{})
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, o := range objects[:min(len(objects), len(left)/size)] {
		hash := drift.Hash(left[i*size : (i+1)*size])
		if _, known := p.known[o.ID()]; !known && hash != (drift.Hash{}) {
			p.known[o.ID()] = Placement{want: Fingerprint(o.Unstructured), Live: hash}
		}
	}
}

// Invalidate forgets how objects were left, so that the next survey asks the server
// about every one of them.
func (p *Placements) Invalidate(ids []manifest.ID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, id := range ids {
		delete(p.known, id)
	}
}

// asMarked reports whether an object with these hashes is as the agent left it: its own fields
// are unchanged, and people's tools have added nothing since.
func (p *Placements) asMarked(id manifest.ID, m Hashes) bool {
	p.mu.Lock()
	left, ok := p.known[id]
	p.mu.Unlock()
	return ok && m.Ours && m.Live == left.Live && m.Foreign == left.Foreign
}

// Forget drops what was remembered of objects that are gone.
func (p *Placements) Forget(ids ...manifest.ID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, id := range ids {
		delete(p.known, id)
	}
}

// Of returns an object's Placement; known is false if there is none.
func (p *Placements) Of(id manifest.ID) (left Placement, known bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	left, known = p.known[id]
	return left, known
}
