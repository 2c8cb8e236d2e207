package apply

import (
	"encoding/json"
	"hash/maphash"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/xetys/tether/apply/ownership"
	"github.com/xetys/tether/apply/plan"
	"github.com/xetys/tether/drift"
	"github.com/xetys/tether/render/manifest"
)

// placed is how an object was left: what was wanted, and a hash of the live
// fields that are ours.
type placed struct {
	want    uint64
	live    drift.Hash
	foreign drift.Hash // of what people's tools had added
}

var seed = maphash.MakeSeed()

func fingerprint(u *unstructured.Unstructured) uint64 {
	raw, err := json.Marshal(u.Object) // maps are written in the order of their keys
	if err != nil {
		return 0
	}
	return maphash.Bytes(seed, raw)
}

// leave remembers that live is how want looks in the cluster.
func (c *Cluster) leave(id manifest.ID, want, live *unstructured.Unstructured) {
	hash, err := drift.Projection(live, ownership.FieldManager)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		delete(c.inPlace, id)
		return
	}
	c.inPlace[id] = placed{want: fingerprint(want), live: hash, foreign: drift.ForeignHash(live, ownership.FieldManager, ownership.Tools)}
}

// Left returns how objects were left, one hash after the other, for Trust in
// another process; what is not known is zero.
func (c *Cluster) Left(objects []manifest.ID) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make([]byte, 0, len(objects)*len(drift.Hash{}))
	for _, id := range objects {
		hash := c.inPlace[id].live
		out = append(out, hash[:]...)
	}
	return out
}

// Trust takes it that an earlier process left objects, as they are applied, in the
// way that Left told: one that is still so needs no dry-run. Of objects beyond those that
// Left told of nothing is known.
func (c *Cluster) Trust(objects []manifest.Object, left []byte) {
	size := len(drift.Hash{})
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, o := range objects[:min(len(objects), len(left)/size)] {
		hash := drift.Hash(left[i*size : (i+1)*size])
		if _, known := c.inPlace[o.ID()]; !known && hash != (drift.Hash{}) {
			c.inPlace[o.ID()] = placed{want: fingerprint(o.Unstructured), live: hash}
		}
	}
}

// Doubt forgets how objects were left, so that the next survey asks the server
// about every one of them.
func (c *Cluster) Doubt(ids []manifest.ID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, id := range ids {
		delete(c.inPlace, id)
	}
}

// asMarked reports whether an object with these marks is as it was left: in the fields
// that are ours, and people's tools added nothing since.
func (c *Cluster) asMarked(id manifest.ID, m marks) bool {
	c.mu.Lock()
	p, ok := c.inPlace[id]
	c.mu.Unlock()
	return ok && m.ours && m.live == p.live && m.foreign == p.foreign
}

// forget drops what was remembered of objects that are gone.
func (c *Cluster) forget(ids []manifest.ID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, id := range ids {
		delete(c.inPlace, id)
		delete(c.judged, id)
	}
}

// knownInPlace reports whether want was applied, and is still as it was left.
func (c *Cluster) knownInPlace(want *unstructured.Unstructured) bool {
	id := manifest.IDOf(want)
	c.mu.Lock()
	p, ok := c.inPlace[id]
	c.mu.Unlock()
	return ok && p.want == fingerprint(want) && c.stillInPlace(id)
}

// stillInPlace is knownInPlace for who knows that what was applied is what is wanted.
func (c *Cluster) stillInPlace(id manifest.ID) bool {
	m, there := c.Live.marksOf(id)
	return there && c.asMarked(id, m)
}

// InPlace reports whether every object that a plan applies is in the cluster as it
// was left, so that nothing has to be asked about it.
func (c *Cluster) InPlace(p plan.Plan) bool {
	for _, ch := range p.Changes {
		switch {
		case ch.Action == plan.Delete || ch.Action == plan.Keep:
		case ch.Object == nil && !c.stillInPlace(ch.ID), ch.Object != nil && !c.knownInPlace(ch.Object):
			return false
		}
	}
	return true
}
