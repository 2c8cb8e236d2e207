package render

import (
	"slices"

	"github.com/xetys/tether/render/worker"
)

// outputs keeps what was rendered by what it was rendered from, until it is deployed: a
// commit that is refused, or an API server that is away for a moment, has a thousand
// releases looked at again, and their generated passwords stay what they were. What
// was rendered first is dropped first.
type outputs struct {
	byDigest map[string]output
	order    []string // digests
	size     int
}

type output struct {
	key string // names all that it depends on, but for what is looked up
	*worker.Rendered
}

const keptOutputs = 32 << 20

func (o *outputs) get(digest, key string) *worker.Rendered {
	if known, ok := o.byDigest[digest]; ok && known.key == key {
		return known.Rendered
	}
	return nil
}

func (o *outputs) put(digest, key string, r *worker.Rendered) {
	if o.byDigest == nil {
		o.byDigest = map[string]output{}
	}
	o.drop(digest)
	o.byDigest[digest], o.order, o.size = output{key, r}, append(o.order, digest), o.size+r.Size()
	for o.size > keptOutputs && len(o.order) > 0 {
		o.drop(o.order[0])
	}
}

func (o *outputs) drop(digest string) {
	known, ok := o.byDigest[digest]
	if !ok {
		return
	}
	o.size -= known.Size()
	delete(o.byDigest, digest)
	i := slices.Index(o.order, digest)
	o.order = slices.Delete(o.order, i, i+1)
}
