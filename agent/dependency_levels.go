package agent

import (
	"slices"

	"github.com/xetys/tether/render/manifest"
)

// rounds splits the jobs that change so that each comes after those that it
// depends on: what their CRDs bring is known then, though not in the cluster yet.
func rounds(jobs []*job) [][]*job {
	byName := map[string]*job{}
	for _, j := range jobs {
		if j.prepared != nil {
			byName[j.spec.Name] = j
		}
	}
	depths := map[*job]int{}
	var depth func(*job) int
	depth = func(j *job) int {
		if d, known := depths[j]; known {
			return d
		}
		d := 0
		j.needs = nil
		for _, name := range j.spec.DependsOn {
			if need := byName[name]; need != nil {
				j.needs = append(j.needs, need)
				d = max(d, depth(need)+1)
			}
		}
		depths[j] = d
		return d
	}
	var out [][]*job
	for _, j := range jobs {
		if !j.changes() {
			continue
		}
		for depth(j) >= len(out) {
			out = append(out, nil)
		}
		out[depth(j)] = append(out[depth(j)], j)
	}
	return slices.DeleteFunc(out, func(round []*job) bool { return len(round) == 0 })
}

// coming is what the releases that the job depends on, near and far, define: they
// come first.
func (j *job) coming() manifest.Defined {
	seen := map[*job]bool{}
	var all []manifest.Object
	var add func(*job)
	add = func(at *job) {
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
