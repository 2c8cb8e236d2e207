// Package graph runs work in the order that its dependencies ask for.
//
// It does not know what the work is.
package graph

import (
	"context"
	"slices"
	"strings"
)

// Graph is work with dependencies: a node runs as soon as all nodes that it depends on have
// succeeded, in parallel with others. The zero value is ready to use. It is not safe for
// concurrent use before Run.
type Graph struct {
	after map[string][]string
	order []string
}

// Add adds a node that runs after others. Names in after that are never added are ignored.
func (g *Graph) Add(name string, after ...string) {
	if g.after == nil {
		g.after = map[string][]string{}
	}
	if _, ok := g.after[name]; !ok {
		g.order = append(g.order, name)
	}
	g.after[name] = append(g.after[name], after...)
}

// Cyclic reports whether some nodes come after themselves.
func (g *Graph) Cyclic() bool {
	state := map[string]int{} // 1: on the path, 2: done
	var visit func(string) bool
	visit = func(name string) bool {
		if state[name] != 0 {
			return state[name] == 1
		}
		state[name] = 1
		cyclic := slices.ContainsFunc(g.after[name], visit)
		state[name] = 2
		return cyclic
	}
	return slices.ContainsFunc(g.order, visit)
}

// Blocked returns the nodes that can't run because of others that are known to
// fail, each with those that it waits for.
func (g *Graph) Blocked(fails func(name string) bool) map[string][]string {
	blocked := map[string][]string{}
	for again := true; again; {
		again = false
		for _, name := range g.order {
			if fails(name) || blocked[name] != nil {
				continue
			}
			for _, a := range g.after[name] {
				if _, known := g.after[a]; known && (fails(a) || blocked[a] != nil) {
					blocked[name] = append(blocked[name], a)
				}
			}
			again = again || blocked[name] != nil
		}
	}
	return blocked
}

// Result is what became of a node: it ran, with or without an error, or it was
// blocked by nodes that failed or were blocked themselves.
type Result struct {
	Err     error
	Blocked []string
}

// OK reports whether the node ran without an error.
func (r Result) OK() bool { return r.Err == nil && len(r.Blocked) == 0 }

// Run runs every node that can be run and returns what became of each. Nodes of
// a cycle never run, and are blocked by each other.
func (g *Graph) Run(ctx context.Context, do func(ctx context.Context, name string) error) map[string]Result {
	type end struct {
		name string
		err  error
	}
	results := make(map[string]Result, len(g.order))
	done := make(chan end)
	running := 0
	start := func(name string) {
		running++
		go func() { done <- end{name, do(ctx, name)} }()
	}
	left, next := g.open()
	for _, name := range g.order {
		if left[name] == 0 {
			start(name)
		}
	}
	for ; running > 0; running-- {
		d := <-done
		results[d.name] = Result{Err: d.err}
		if d.err != nil {
			continue
		}
		for _, name := range next[d.name] {
			if left[name]--; left[name] == 0 {
				start(name)
			}
		}
	}
	for _, name := range g.order {
		if _, ok := results[name]; !ok {
			results[name] = Result{Blocked: g.blockers(name, results)}
		}
	}
	return results
}

// open returns how many nodes each one waits for, and which wait for it.
func (g *Graph) open() (left map[string]int, next map[string][]string) {
	left, next = make(map[string]int, len(g.order)), map[string][]string{}
	for _, name := range g.order {
		for _, a := range g.blockers(name, nil) {
			left[name]++
			next[a] = append(next[a], name)
		}
	}
	return left, next
}

// blockers returns the nodes that name comes after and that have not succeeded.
func (g *Graph) blockers(name string, results map[string]Result) []string {
	var out []string
	for _, a := range g.after[name] {
		if _, known := g.after[a]; !known {
			continue
		}
		if r, ran := results[a]; !ran || !r.OK() {
			out = append(out, a)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// String prints the graph, one node a line with what it comes after.
func (g *Graph) String() string {
	var b strings.Builder
	for _, name := range g.order {
		b.WriteString(name)
		if after := g.after[name]; len(after) > 0 {
			b.WriteString(" <- " + strings.Join(after, ", "))
		}
		b.WriteByte('\n')
	}
	return b.String()
}
