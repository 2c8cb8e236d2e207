package agent

import (
	"slices"

	"github.com/xetys/tether/apply"
)

// order is the graph of what is to be done in one look.
//
// A release that changes comes after those it depends on: those that change too,
// and those that stay, which have to be healthy. A release that goes back comes
// before what it depends on if that goes back as well (a frontend goes back
// before the API that it needs), and waits for nobody's health: it is the way out
// of trouble. What is uninstalled comes after all that depended on it. Drift is
// put back in order too, but waits for no change. In an atomic environment what is
// uninstalled comes after all that changes: when that fails, nothing is gone yet.
func order(jobs []*job, atomic bool) *apply.Graph {
	g := edges(jobs, true)
	if g.Cyclic() {
		// A release that changes between two that go back can ask for an order that
		// runs in a circle: then all go forward.
		g = edges(jobs, false)
	}
	if atomic {
		removeLast(g, jobs)
	}
	return g
}

func removeLast(g *apply.Graph, jobs []*job) {
	for _, gone := range jobs {
		for _, j := range jobs {
			if gone.decision.Act == Uninstall && j.changes() && j.decision.Act != Uninstall && !j.goesBack() {
				g.Add(gone.key.String(), j.key.String())
			}
		}
	}
}

func edges(jobs []*job, reverse bool) *apply.Graph {
	w := walk{byName: map[string]*job{}, reverse: reverse, graph: &apply.Graph{}}
	for _, j := range jobs {
		if other := w.byName[j.spec.Name]; other == nil || j.state.Listed {
			w.byName[j.spec.Name] = j
		}
		j.gate = false
	}
	for _, j := range jobs {
		if j.decision.Act != None {
			w.graph.Add(j.key.String())
			w.seen = map[string]bool{}
			w.from(j, j)
		}
	}
	return w.graph
}

// walk finds the nearest releases, along the dependencies, that one has to come
// after.
type walk struct {
	byName  map[string]*job
	seen    map[string]bool
	reverse bool
	graph   *apply.Graph
}

func (w *walk) from(j, at *job) {
	for _, name := range slices.Concat(at.spec.DependsOn, at.former) {
		d := w.byName[name]
		if d == nil || w.seen[name] || d.decision.Act != Uninstall && !slices.Contains(at.spec.DependsOn, name) {
			continue
		}
		w.seen[name] = true
		if !w.edge(j, d) {
			w.from(j, d)
		}
	}
}

// edge puts j and what it depends on in order, and reports whether nothing
// behind d matters to j any more.
func (w *walk) edge(j, d *job) bool {
	before, after := d, j
	switch {
	case j.decision.Act == Uninstall && d.decision.Act == Uninstall, j.goesBack() && d.goesBack() && w.reverse:
		before, after = j, d
	case d.decision.Act == Uninstall && d.state.Aborted != "" && !j.changes():
		return false // j went back to what ran without it
	case d.decision.Act == Uninstall, j.decision.Act == Uninstall && d.goesBack():
		before, after = j, d // it is still needed until j no longer does
	case j.decision.Act == Repair:
		if d.decision.Act != Repair {
			return false
		}
	case j.decision.Act == Hold, j.decision.Act == Uninstall:
		return false
	case j.goesBack() && !d.changes():
		return false
	case d.decision.Act == None, d.decision.Act == Repair:
		d.gate = true
		w.graph.Add(j.key.String(), d.key.String())
		w.graph.Add(d.key.String())
		return false
	}
	w.graph.Add(after.key.String(), before.key.String())
	return true
}

// goesBack reports whether the job returns to what ran before.
func (j *job) goesBack() bool {
	if j.decision.Act == Resume {
		p := j.state.History.Pending()
		return p != nil && p.Action == "rollback"
	}
	return j.decision.Act == Rollback
}

// formerly returns what a release depended on when the ledger was last written.
func (l *Ledger) formerly(key releaseKey) []string {
	i := slices.IndexFunc(l.Releases, func(r ReleaseState) bool { return r.Name == key.name && r.Namespace == key.namespace })
	if i < 0 {
		return nil
	}
	return l.Releases[i].DependsOn
}
