package absorb

import (
	"encoding/json"
	"fmt"

	"github.com/xetys/tether/drift"
	"github.com/xetys/tether/render/manifest"
)

// leaf names one value of what a release renders to.
type leaf struct {
	id   manifest.ID
	hook bool
	path string
}

// leaves are values as JSON. What is empty is not there: the API server drops it.
type leaves map[leaf]string

func (l leaves) add(id manifest.ID, hook bool, object map[string]any) {
	l[leaf{id, hook, ""}] = "it is there"
	for _, one := range drift.Leaves(object) {
		raw, err := json.Marshal(one.Value)
		if text := string(raw); err == nil && text != "null" && text != "{}" && text != "[]" {
			l[leaf{id, hook, one.Path}] = text
		}
	}
}

// identified is an object, or a hook's.
type identified struct {
	id   manifest.ID
	hook bool
}

// origin is what an object of any name is rendered from.
type origin struct {
	source, kind string
	hook         bool
}

// names knows which objects have another name in each render (randAlphaNum in it, as tests of
// public charts have): they are told apart by their place in their template.
type names struct {
	firm      map[identified]bool // objects that have one name
	generated map[origin]bool
}

// namesIn compares two renders of the same.
func namesIn(a, b *manifest.Release) names {
	n := names{firm: map[identified]bool{}, generated: map[origin]bool{}}
	first := map[identified]bool{}
	each := func(rel *manifest.Release, see func(identified, origin)) {
		eachObject(rel, func(o manifest.Object, hook bool) {
			see(identified{o.ID(), hook}, origin{o.Source, o.GetKind(), hook})
		})
	}
	each(a, func(i identified, _ origin) { first[i] = true })
	each(b, func(i identified, from origin) {
		if n.firm[i] = first[i]; !first[i] {
			n.generated[from] = true
		}
	})
	return n
}

func eachObject(rel *manifest.Release, see func(o manifest.Object, hook bool)) {
	for _, o := range rel.Objects {
		see(o, false)
	}
	for _, h := range rel.Hooks {
		see(h.Object, true)
	}
}

// leavesOf are the leaves of what a release renders to.
func (n names) leavesOf(rel *manifest.Release) leaves {
	out, places := leaves{}, map[origin]int{}
	eachObject(rel, func(o manifest.Object, hook bool) {
		id, from := o.ID(), origin{o.Source, o.GetKind(), hook}
		if n.generated[from] && !n.firm[identified{id, hook}] {
			places[from]++
			id.Name = fmt.Sprintf("(%d of %s)", places[from], o.Source)
		}
		out.add(id, hook, o.Object)
	})
	return out
}
