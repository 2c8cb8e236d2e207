package page

import (
	"fmt"
	"net/url"
	"slices"

	"github.com/xetys/tether/agent/status"
)

// graph is how releases depend on each other, drawn from left to right: what is needed first
// stands at the left.
type graph struct {
	Width, Height int
	Nodes         []node
	Edges         []edge
	// Left is how many releases are left out: those that are well, where there are many.
	Left int
}

type node struct {
	X, Y        int
	Name, Title string
	Mark        mark
	To          string // where its row is
	Depth       int
}

type edge struct{ Path, Kind string }

// The drawing's measures, in its own units, and how many releases it holds.
const (
	nodeWidth   = 196
	nodeHeight  = 34
	columnGap   = 56
	rowGap      = 14
	graphMargin = 2
	maxNodes    = 48
	maxName     = 22
)

// graphOf draws the releases; nil if none depends on another.
func graphOf(all []status.ReleaseStatus) *graph {
	known := map[string]int{}
	for i, r := range all {
		known[r.Name] = i
	}
	some := false
	for _, r := range all {
		some = some || slices.ContainsFunc(r.DependsOn, func(n string) bool { _, ok := known[n]; return ok })
	}
	if !some {
		return nil
	}
	picked := pick(all, known)
	if len(picked) == 0 {
		return nil
	}
	g := &graph{Left: len(all) - len(picked)}
	g.place(picked, depths(all, known))
	g.connect(picked)
	for i := range g.Nodes {
		name := picked[i].Name
		if g.Nodes[i].To = "#r-" + url.PathEscape(name); len(all) > releasesAPage { // it may be on another page of the list
			g.Nodes[i].To = "?" + url.Values{"q": {name}}.Encode() + "#releases"
		}
	}
	return g
}

// pick returns the releases that are drawn: all, or of many those that are not well, and
// what they depend on.
func pick(all []status.ReleaseStatus, known map[string]int) []status.ReleaseStatus {
	if len(all) <= maxNodes {
		return all
	}
	chosen := map[int]bool{}
	add := func(i int) {
		if len(chosen) < maxNodes {
			chosen[i] = true
		}
	}
	for i, r := range all {
		if stateOf(r, false) == healthy {
			continue
		}
		add(i)
		for _, name := range r.DependsOn {
			if j, ok := known[name]; ok {
				add(j)
			}
		}
	}
	var out []status.ReleaseStatus
	for i, r := range all {
		if chosen[i] {
			out = append(out, r)
		}
	}
	return out
}

// depths says how many releases stand before each, one after the other. Circles, which no
// environment may have, end somewhere.
func depths(all []status.ReleaseStatus, known map[string]int) map[string]int {
	out, under := map[string]int{}, map[string]bool{}
	var of func(name string) int
	of = func(name string) int {
		if d, ok := out[name]; ok || under[name] {
			return d
		}
		under[name] = true
		depth := 0
		for _, before := range all[known[name]].DependsOn {
			if _, ok := known[before]; ok {
				depth = max(depth, of(before)+1)
			}
		}
		out[name] = depth
		return depth
	}
	for _, r := range all {
		of(r.Name)
	}
	return out
}

// place puts each release into the column of its depth. Columns that are empty are closed.
func (g *graph) place(picked []status.ReleaseStatus, depth map[string]int) {
	var columns []int
	for _, r := range picked {
		if d := depth[r.Name]; !slices.Contains(columns, d) {
			columns = append(columns, d)
		}
	}
	slices.Sort(columns)
	rows := make([]int, len(columns))
	for _, r := range picked {
		column := slices.Index(columns, depth[r.Name])
		m := stateOf(r, false)
		g.Nodes = append(g.Nodes, node{
			X: graphMargin + column*(nodeWidth+columnGap), Y: graphMargin + rows[column]*(nodeHeight+rowGap),
			Name: cut(r.Name, maxName), Title: r.Name + ": " + m.Word, Mark: m, Depth: column,
		})
		rows[column]++
	}
	most := slices.Max(rows)
	g.Width = 2*graphMargin + len(columns)*nodeWidth + (len(columns)-1)*columnGap
	g.Height = 2*graphMargin + most*nodeHeight + (most-1)*rowGap
	for i := range g.Nodes { // columns stand in the middle
		n := &g.Nodes[i]
		n.Y += (most - rows[n.Depth]) * (nodeHeight + rowGap) / 2
	}
}

// connect draws what depends on what. What keeps others waiting is coloured.
func (g *graph) connect(picked []status.ReleaseStatus) {
	at := map[string]*node{}
	for i := range g.Nodes {
		at[picked[i].Name] = &g.Nodes[i]
	}
	for _, r := range picked {
		for _, name := range r.DependsOn {
			from, to := at[name], at[r.Name]
			if from == nil {
				continue
			}
			kind := ""
			if slices.Contains(r.BlockedBy, name) {
				kind = "wait"
			}
			x1, y1, x2, y2 := from.X+nodeWidth, from.Y+nodeHeight/2, to.X, to.Y+nodeHeight/2
			bend := max(columnGap, x2-x1) / 2
			g.Edges = append(g.Edges, edge{fmt.Sprintf("M%d %dC%d %d %d %d %d %d", x1, y1, x1+bend, y1, x2-bend, y2, x2, y2), kind})
		}
	}
}
