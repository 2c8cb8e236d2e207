package assess

import (
	"slices"
	"strings"

	"github.com/xetys/tether/agent/decide"
	"github.com/xetys/tether/apply/graph"
	"github.com/xetys/tether/render/manifest"
)

// Order is the graph of what is to be done in one pass.
func Order(jobs []*Release, atomic bool) *graph.Graph {
	releases := make([]decide.Release, len(jobs))
	for i, j := range jobs {
		releases[i] = decide.Release{Key: j.Key.String(), Name: j.Spec.Name, Listed: j.State.Listed, DependsOn: j.Spec.DependsOn,
			Former: j.Former, Decision: j.Decision, Back: j.GoesBack(), Aborted: j.State.Aborted != ""}
	}
	g, gates := decide.Order(releases, atomic)
	for _, j := range jobs {
		j.Gate = gates[j.Key.String()]
	}
	return g
}

func ByKey(jobs []*Release) map[string]*Release {
	out := make(map[string]*Release, len(jobs))
	for _, j := range jobs {
		out[j.Key.String()] = j
	}
	return out
}

// ReleaseNames are the names of releases that are given as "namespace/name".
func ReleaseNames(keys []string) []string {
	var out []string
	for _, k := range keys {
		_, name, _ := strings.Cut(k, "/")
		out = append(out, name)
	}
	return out
}

// dependencyLevels splits the jobs that change so that each comes after those that it
// depends on: what their CRDs bring is known then, though not in the cluster yet.
func dependencyLevels(jobs []*Release) [][]*Release {
	byName := map[string]*Release{}
	for _, j := range jobs {
		if j.Prepared != nil {
			byName[j.Spec.Name] = j
		}
	}
	depths := map[*Release]int{}
	var depth func(*Release) int
	depth = func(j *Release) int {
		if d, known := depths[j]; known {
			return d
		}
		d := 0
		j.needs = nil
		for _, name := range j.Spec.DependsOn {
			if need := byName[name]; need != nil {
				j.needs = append(j.needs, need)
				d = max(d, depth(need)+1)
			}
		}
		depths[j] = d
		return d
	}
	var out [][]*Release
	for _, j := range jobs {
		if !j.Changes() {
			continue
		}
		for depth(j) >= len(out) {
			out = append(out, nil)
		}
		out[depth(j)] = append(out[depth(j)], j)
	}
	return slices.DeleteFunc(out, func(round []*Release) bool { return len(round) == 0 })
}

// dependencyCRDs is what the releases that the job depends on, near and far, define: they
// come first.
func (j *Release) dependencyCRDs() manifest.Defined {
	seen := map[*Release]bool{}
	var all []manifest.Object
	var add func(*Release)
	add = func(at *Release) {
		for _, n := range at.needs {
			if !seen[n] {
				seen[n] = true
				all = append(all, n.want...)
				add(n)
			}
		}
	}
	add(j)
	return manifest.Define(all)
}
