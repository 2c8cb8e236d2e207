package render

import (
	"slices"

	"github.com/xetys/tether/render/worker"
)

// outputs keeps what was rendered, of each environment by what it was rendered from, until
// it is deployed: a commit that is refused, or an API server that is away for a moment, has a thousand
// releases looked at again, and their generated passwords stay what they were. What
// was rendered first is dropped first.
type outputs struct {
	of    map[source]output
	order []source
	size  int
}

// source is what something was rendered from, and for which environment: another one may have
// the same inputs, and what took over its worker.
type source struct{ environment, digest string }

func (p *Prepared) source() source { return source{p.environment, p.Digest} }

type output struct {
	key string // names all that it depends on, but for what is looked up
	*worker.Rendered
}

const keptOutputs = 32 << 20

func (o *outputs) get(from source, key string) *worker.Rendered {
	if known, ok := o.of[from]; ok && known.key == key {
		return known.Rendered
	}
	return nil
}

func (o *outputs) put(from source, key string, r *worker.Rendered) {
	if o.of == nil {
		o.of = map[source]output{}
	}
	o.drop(from)
	o.of[from], o.order, o.size = output{key, r}, append(o.order, from), o.size+r.Size()
	for o.size > keptOutputs && len(o.order) > 0 {
		o.drop(o.order[0])
	}
}

func (o *outputs) drop(from source) {
	known, ok := o.of[from]
	if !ok {
		return
	}
	o.size -= known.Size()
	delete(o.of, from)
	i := slices.Index(o.order, from)
	o.order = slices.Delete(o.order, i, i+1)
}
