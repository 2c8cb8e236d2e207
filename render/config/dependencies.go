package config

import (
	"slices"
	"strings"
)

// relations checks what concerns several releases: names, dependencies, cycles.
func (l *checker) relations(env *Environment) {
	byName := map[string]int{}
	for i, r := range env.Releases {
		if first, twice := byName[r.Name]; twice {
			l.refuse(r.Line, "release %s is listed twice, first in line %d: rename or remove one", r.Name, env.Releases[first].Line)
			continue
		}
		byName[r.Name] = i
	}
	for i, r := range env.Releases {
		for j, d := range r.DependsOn {
			if _, ok := byName[d]; !ok {
				l.refuse(l.line("spec", "releases", i, "dependsOn", j), "release %s depends on %s, which is not listed", r.Name, d)
			}
		}
	}
	if c := cycle(env.Releases, byName); c != nil {
		l.refuse(env.Releases[byName[c[0]]].Line, "the releases depend on each other in a cycle: %s", strings.Join(c, " → "))
	}
}

// cycle returns the first cycle of dependencies, its first release again at the
// end, or nil.
func cycle(releases []ReleaseSpec, byName map[string]int) []string {
	state := map[string]int{} // 1 being visited, 2 done
	var stack []string
	var visit func(string) []string
	visit = func(name string) []string {
		if state[name] == 1 {
			return append(slices.Clone(stack[slices.Index(stack, name):]), name)
		}
		i, ok := byName[name]
		if state[name] == 2 || !ok {
			return nil
		}
		state[name], stack = 1, append(stack, name)
		for _, d := range releases[i].DependsOn {
			if c := visit(d); c != nil {
				return c
			}
		}
		state[name], stack = 2, stack[:len(stack)-1]
		return nil
	}
	for _, r := range releases {
		if c := visit(r.Name); c != nil {
			return c
		}
	}
	return nil
}
