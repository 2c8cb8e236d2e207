package blame

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/xetys/tether/render"
	"github.com/xetys/tether/render/manifest"
)

// prober finds where lines are set by rendering with one input changed at a time.
type prober struct {
	*Blamer
	ctx     context.Context
	env     *render.Environment
	p       render.Inspection
	release *manifest.Release
	lines   []*line
	narrow  bool // few lines are asked for: values are tried in halves first

	mu      sync.Mutex
	effects map[*line]effect
	failed  int
}

// effect are the inputs, by their place in the list of trials, that change a line, and
// those that take it away.
type effect struct{ changes, removes []int }

// trial is an input that is changed, in the first way that renders.
type trial struct {
	place render.Place
	path  []any // of the values; nil for another input
	ways  []render.Trial
	empty bool // the value says nothing as it is
}

// empties are values that say nothing, as JSON: an empty override decides nothing yet.
var empties = []string{`null`, `""`, `{}`, `[]`}

// maxTrials bounds how many values of a release are tried one by one: each is a render.
const maxTrials = 1000

// run fills in where the lines are set.
func (q *prober) run(out *Release) error {
	q.effects = map[*line]effect{}
	trials := q.values()
	if n := len(trials) - maxTrials; n > 0 && !q.narrow {
		out.Notes = append(out.Notes, fmt.Sprintf("release %s has %d values more than are tried: where one of them decides, the template is named; ask for one object or path", q.p.Spec().Name, n))
		trials = trials[:maxTrials]
	}
	values := len(trials)
	trials = append(trials, q.others()...)
	q.each(trials, func(i int) { q.alone(trials, i) }, values)
	if err := q.ctx.Err(); err != nil {
		return err
	}
	for l, e := range q.effects {
		slices.Sort(e.changes)
		slices.Sort(e.removes)
		for _, i := range e.changes {
			if trials[i].empty && !slices.Contains(empties, l.field.Value) {
				l.field.Could = append(l.field.Could, trials[i].place)
			} else {
				l.field.Set = append(l.field.Set, trials[i].place)
			}
		}
		for _, i := range e.removes {
			switch {
			case slices.Contains(e.changes, i):
			case trials[i].place.Kind == "patch": // it adds the field
				l.field.Set = append(l.field.Set, trials[i].place)
			default:
				l.field.When = append(l.field.When, trials[i].place)
			}
		}
	}
	if q.failed > 0 {
		out.Notes = append(out.Notes, fmt.Sprintf("values of release %s that can't be changed without the chart failing, so that what they decide is not told: %d", q.p.Spec().Name, q.failed))
	}
	marks := &marker{prober: q}
	marks.run()
	return q.ctx.Err()
}

// each tries all of the trials, some at once. The values come first; of few lines they are
// tried in groups.
func (q *prober) each(trials []trial, alone func(int), values int) {
	var all []int
	for i := range trials {
		all = append(all, i)
	}
	tasks := make(chan func())
	var done sync.WaitGroup
	for range max(2, runtime.GOMAXPROCS(0)) {
		done.Go(func() {
			for task := range tasks {
				task()
			}
		})
	}
	if q.narrow {
		const size = 32
		for group := range slices.Chunk(all[:values], size) {
			tasks <- func() { q.group(trials, group) }
		}
		all = all[values:]
	}
	for _, i := range all {
		tasks <- func() { alone(i) }
	}
	close(tasks)
	done.Wait()
}

// group tries several values at once: those that change none of the lines together change
// none of them alone. Else, or when that can't be rendered, halves of them are tried.
func (q *prober) group(trials []trial, group []int) {
	if len(group) == 1 {
		q.alone(trials, group[0])
		return
	}
	if q.ctx.Err() != nil {
		return
	}
	all := q.all()
	values := q.p.Values()
	for _, i := range group {
		values = set(values, all, trials[i].path, variant(valueAt(all, trials[i].path), 0))
	}
	rel, err := q.render(q.ctx, q.p.Try(render.Trial{Values: values}))
	if err == nil && len(q.differ(rel)) == 0 {
		return
	}
	q.group(trials, group[:len(group)/2])
	q.group(trials, group[len(group)/2:])
}

// alone tries one input.
func (q *prober) alone(trials []trial, i int) {
	for _, way := range trials[i].ways {
		if q.ctx.Err() != nil {
			return
		}
		rel, err := q.render(q.ctx, q.p.Try(way))
		if err != nil {
			continue
		}
		changed := q.differ(rel)
		q.mu.Lock()
		defer q.mu.Unlock()
		for l, there := range changed {
			e := q.effects[l]
			if there {
				e.changes = append(e.changes, i)
			} else {
				e.removes = append(e.removes, i)
			}
			q.effects[l] = e
		}
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.failed++
}

// differ are the lines that a trial changes, and whether they are still there. Objects are
// told by their names, and where those changed by kind, template and order.
func (q *prober) differ(rel *manifest.Release) map[*line]bool {
	tried := stateOf(rel)
	renamed := pairs(q.release, rel, tried)
	out := map[*line]bool{}
	for _, l := range q.lines {
		if l.field.Generated {
			continue
		}
		id := l.first
		if to, ok := renamed[objectKey(id, l.hook)]; ok {
			id = to
		}
		if value, there := tried.value(id, l.hook, l.key); !there || value != l.value {
			out[l] = there
		}
	}
	return out
}

// pairs are the objects that a trial gave other names.
func pairs(before, after *manifest.Release, tried *state) map[uint64]manifest.ID {
	kind := func(o rendered) string { return fmt.Sprint(o.ID().GroupKind(), o.Source, o.hook) }
	first := stateOf(before)
	var came = map[string][]manifest.ID{}
	for _, o := range allOf(after) {
		if !first.has(o.ID(), o.hook) {
			came[kind(o)] = append(came[kind(o)], o.ID())
		}
	}
	out := map[uint64]manifest.ID{}
	if len(came) == 0 {
		return out
	}
	for _, o := range allOf(before) {
		if tried.has(o.ID(), o.hook) {
			continue
		}
		if ids := came[kind(o)]; len(ids) > 0 {
			out[objectKey(o.ID(), o.hook)], came[kind(o)] = ids[0], ids[1:]
		}
	}
	return out
}

func (q *prober) all() map[string]any {
	return render.MergeValues(q.release.Defaults, q.p.Values())
}

// values are the values that something sets, each to be tried.
func (q *prober) values() []trial {
	places := q.p.Places()
	all := q.all()
	var out []trial
	eachValue(all, nil, func(path []any, v any) {
		at := places.Of(path)
		if at == nil {
			at = &render.Place{Kind: "default", Key: render.ValuesPath(path), Of: chartOf(q.p)}
		}
		raw, err := json.Marshal(v)
		one := trial{place: *at, path: path, empty: err == nil && slices.Contains(empties, string(raw))}
		for n := range ways {
			if to := variant(v, n); to != nil {
				one.ways = append(one.ways, render.Trial{Values: set(q.p.Values(), all, path, to)})
			}
		}
		out = append(out, one)
	})
	return out
}

var (
	versionLine    = regexp.MustCompile(`(?m)^version:.*$`)
	appVersionLine = regexp.MustCompile(`(?m)^appVersion:.*$`)
)

// others are the inputs that are no values.
func (q *prober) others() []trial {
	spec := q.p.Spec()
	out := []trial{
		{place: q.env.NamespaceAt(spec), ways: []render.Trial{{Namespace: spec.Namespace + "-x"}}},
		{place: q.p.Listed("name"), ways: []render.Trial{{Name: spec.Name + "-x"}, {Name: "x" + spec.Name}}},
	}
	for n := range spec.Patches {
		out = append(out, trial{place: q.p.PatchAt(n + 1), ways: []render.Trial{{Patch: n + 1}}})
	}
	raw := q.p.ChartFile("Chart.yaml")
	for key, at := range map[string]*regexp.Regexp{"version": versionLine, "appVersion": appVersionLine} {
		found := at.FindIndex(raw)
		if found == nil {
			continue
		}
		file, of := q.p.ChartAt("Chart.yaml")
		place := render.Place{Kind: "chart", File: file, Line: 1 + strings.Count(string(raw[:found[0]]), "\n"), Key: key, Of: of}
		if spec.Away() {
			place = q.p.Listed("version")
			place.Of = of
		}
		text := at.ReplaceAllString(string(raw), key+`: "9876.5.4"`)
		out = append(out, trial{place: place, ways: []render.Trial{{Files: map[string][]byte{"Chart.yaml": []byte(text)}}}})
	}
	return out
}
