package decide

import (
	"slices"

	"github.com/xetys/tether/apply/graph"
)

// Release is what the order of the work depends on, of one release.
type Release struct {
	// Key is "namespace/name", Name what others depend on it by.
	Key, Name string
	Listed    bool
	// DependsOn are the names that environment.yaml gives, Former those that it gave
	// when the release was last deployed.
	DependsOn, Former []string
	Decision          Decision
	// Back says that it returns to what ran before.
	Back bool
	// Aborted says that the commit is being taken back.
	Aborted bool
}

// Order is the graph of what is to be done in one pass.
//
// A release that changes comes after those it depends on: those that change too,
// and those that stay, which have to be healthy. A release that goes back comes
// before what it depends on if that goes back as well (a frontend goes back
// before the API that it needs), and waits for nobody's health: it is the way out
// of trouble. What is uninstalled comes after all that depended on it. Drift is
// put back in order too, but waits for no change. A release that moves to another
// namespace is uninstalled after it runs there. In an atomic environment what is
// uninstalled comes after all that changes: when that fails, nothing is gone yet.
//
// gates are the releases that stay and whose health is waited for, by key.
func Order(releases []Release, atomic bool) (g *graph.Graph, gates map[string]bool) {
	// A release that changes between two that go back can ask for an order that runs in a
	// circle, and so can one that moves: then the less important wish is left out.
	var w *walk
	for _, wish := range []struct{ reverse, moved bool }{{true, true}, {true, false}, {false, true}, {false, false}} {
		w = edges(releases, wish.reverse)
		if wish.moved {
			removeMoved(w.graph, releases)
		}
		if !w.graph.Cyclic() {
			break
		}
	}
	if atomic {
		removeLast(w.graph, releases)
	}
	return w.graph, w.gates
}

// removeMoved has a release that moves to another namespace run there before it goes:
// where it can't, nothing is gone. Releases that bear one name are one that moves.
func removeMoved(g *graph.Graph, releases []Release) {
	listed := map[string][]string{}
	for _, r := range releases {
		if r.Listed && !r.Back && r.Decision.Act != None && r.Decision.Act != Repair {
			listed[r.Name] = append(listed[r.Name], r.Key)
		}
	}
	for _, gone := range releases {
		if gone.Decision.Act == Uninstall && !gone.Aborted {
			g.Add(gone.Key, listed[gone.Name]...)
		}
	}
}

func removeLast(g *graph.Graph, releases []Release) {
	for _, gone := range releases {
		for _, r := range releases {
			if gone.Decision.Act == Uninstall && r.Decision.Changes() && r.Decision.Act != Uninstall && !r.Back {
				g.Add(gone.Key, r.Key)
			}
		}
	}
}

func edges(releases []Release, reverse bool) *walk {
	w := &walk{byName: map[string]*Release{}, reverse: reverse, graph: &graph.Graph{}, gates: map[string]bool{}}
	for i := range releases {
		if r := &releases[i]; w.byName[r.Name] == nil || r.Listed {
			w.byName[r.Name] = r
		}
	}
	for i := range releases {
		if r := &releases[i]; r.Decision.Act != None {
			w.graph.Add(r.Key)
			w.seen = map[string]bool{}
			w.from(r, r)
		}
	}
	return w
}

// walk finds the nearest releases, along the dependencies, that one has to come
// after.
type walk struct {
	byName  map[string]*Release
	seen    map[string]bool
	reverse bool
	graph   *graph.Graph
	gates   map[string]bool
}

func (w *walk) from(r, at *Release) {
	for _, name := range slices.Concat(at.DependsOn, at.Former) {
		d := w.byName[name]
		if d == nil || w.seen[name] || d.Decision.Act != Uninstall && !slices.Contains(at.DependsOn, name) {
			continue
		}
		w.seen[name] = true
		if !w.edge(r, d) {
			w.from(r, d)
		}
	}
}

// edge puts r and what it depends on in order, and reports whether nothing
// behind d matters to r any more.
func (w *walk) edge(r, d *Release) bool {
	before, after := d, r
	switch {
	case r.Decision.Act == Uninstall && d.Decision.Act == Uninstall, r.Back && d.Back && w.reverse:
		before, after = r, d
	case d.Decision.Act == Uninstall && d.Aborted && !r.Decision.Changes():
		return false // r went back to what ran without it
	case d.Decision.Act == Uninstall, r.Decision.Act == Uninstall && d.Back:
		before, after = r, d // it is still needed until r no longer does
	case r.Decision.Act == Repair:
		if d.Decision.Act != Repair {
			return false
		}
	case r.Decision.Act == Hold, r.Decision.Act == Uninstall:
		return false
	case r.Back && !d.Decision.Changes():
		return false
	case d.Decision.Act == None, d.Decision.Act == Repair:
		w.gates[d.Key] = true
		w.graph.Add(r.Key, d.Key)
		w.graph.Add(d.Key)
		return false
	}
	w.graph.Add(after.Key, before.Key)
	return true
}
