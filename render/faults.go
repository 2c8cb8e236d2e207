package render

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/xetys/tether/render/config"
)

// fault is one thing that a chart's schema says of its values.
type fault struct {
	chart string   // whose schema it is
	path  []string // of the value, in that chart's values
	said  string   // in Helm's words
}

var atValue = regexp.MustCompile(`^- at '([^']*)': `)

// faultsOf reads what Helm says of values that do not fit; nothing if it says something
// else.
func faultsOf(text string) []fault {
	var out []fault
	chart := ""
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		m := atValue.FindStringSubmatch(line)
		switch {
		case m != nil:
			out = append(out, fault{chart, steps(m[1]), line})
		case strings.HasPrefix(line, " ") && len(out) > 0: // it says more of the one before
			out[len(out)-1].said += " " + strings.TrimSpace(line)
		case strings.HasSuffix(line, ":"):
			chart = strings.TrimSuffix(line, ":")
		case strings.TrimSpace(line) != "":
			return nil
		}
	}
	slices.SortStableFunc(out, func(a, b fault) int { return strings.Compare(a.chart+"\n"+a.said, b.chart+"\n"+b.said) })
	return out
}

// steps reads a JSON pointer.
func steps(text string) []string {
	if text == "" {
		return nil
	}
	out := strings.Split(strings.TrimPrefix(text, "/"), "/")
	for i := range out {
		out[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(out[i])
	}
	return out
}

// schemaProblems tells what the schema says of a release's values, each with where the
// value stands; nil if it says something else.
func (p *Prepared) schemaProblems(files fs.FS, err error) config.Problems {
	var out config.Problems
	for _, f := range faultsOf(err.Error()) {
		at := f.path
		if f.chart != p.chart.Name() {
			at = append(chartPath(p.values, f.chart), f.path...)
		}
		if extra := unwanted.FindStringSubmatch(f.said); extra != nil {
			at = append(at, extra[1])
		}
		problem := p.locate(files, at)
		problem.Message = fmt.Sprintf("release %s: %s%s", p.spec.Name, p.faultText(strings.Join(strings.Fields(f.chart+": "+f.said), " ")), problem.Message)
		out = append(out, problem)
	}
	if len(out) > 0 {
		out[0].Cause = p.hideFault(err)
	}
	return out
}

// unwanted names a key that the schema does not have: it stands there, as opposed to one
// that is missing.
var unwanted = regexp.MustCompile(`additional properties '([^']*)' not allowed`)

// chartPath finds where the values of a chart that another depends on stand in that one's.
func chartPath(values map[string]any, chart string) []string {
	type level struct {
		path   []string
		values map[string]any
	}
	const deepest = 4
	queue := []level{{nil, values}}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		if _, ok := at.values[chart].(map[string]any); ok {
			return append(slices.Clone(at.path), chart)
		}
		if len(at.path) == deepest {
			continue
		}
		for _, key := range slices.Sorted(maps.Keys(at.values)) {
			if below, ok := at.values[key].(map[string]any); ok {
				queue = append(queue, level{append(slices.Clone(at.path), key), below})
			}
		}
	}
	return []string{chart}
}

// locate returns where a value of the release stands: in the last of its layers that has
// it. Its Message says so of one that does not stand in the repository's values.
func (p *Prepared) locate(files fs.FS, at []string) config.Problem {
	for _, v := range slices.Backward(p.spec.Values) {
		file, root := v.File, v.Node
		if file == "" {
			file = p.spec.File
		} else if raw, err := config.ReadFile(files, file, config.MaxFile); err == nil {
			root = parsed(raw)
		}
		if n := nodeAt(root, at); n != nil {
			return config.Problem{File: file, Line: n.Line, Column: n.Column}
		}
	}
	release := config.Problem{File: p.spec.File, Line: p.spec.Line}
	if len(at) == 0 {
		if n := len(p.spec.Values); n > 0 && p.spec.Values[n-1].File != "" {
			release = config.Problem{File: p.spec.Values[n-1].File} // it is empty
		}
		return release
	}
	if has(p.values, at) {
		release.Message = "; the value comes from valuesFrom"
		return release
	}
	for _, f := range p.chart.Files {
		if f.Name != "values.yaml" {
			continue
		}
		n := nodeAt(parsed(f.Data), at)
		if n == nil {
			break
		}
		if p.spec.Remote == nil && path.Ext(p.spec.Chart) != ".tgz" {
			release = config.Problem{File: path.Join(p.spec.Chart, f.Name), Line: n.Line, Column: n.Column}
		}
		release.Message = fmt.Sprintf("; the value is the chart's default, in line %d of its values.yaml", n.Line)
		return release
	}
	if len(at) > 1 { // its parent may stand somewhere
		if above := p.locate(files, at[:len(at)-1]); above.Message == "" {
			return above
		}
	}
	release.Message = "; the value is a default of the chart, or of one that it depends on"
	return release
}

// parsed returns the content of a YAML document; nil if it has none.
func parsed(raw []byte) *yaml.Node {
	var doc yaml.Node
	if yaml.Unmarshal(raw, &doc) != nil || len(doc.Content) == 0 {
		return nil
	}
	return doc.Content[0]
}

// nodeAt returns what stands at a path; of a map or a list that stands under a key, the
// key. It is nil if nothing does.
func nodeAt(n *yaml.Node, at []string) *yaml.Node {
	shown := n
	for _, step := range at {
		key, value := elementAt(n, step, 0)
		if value == nil {
			return nil
		}
		n, shown = value, value
		if value.Kind != yaml.ScalarNode && key != nil {
			shown = key
		}
	}
	return shown
}

// elementAt returns an element of a list, or what a map has under a key, by itself or by what
// it merges.
func elementAt(n *yaml.Node, step string, depth int) (key, value *yaml.Node) {
	const deepest = 8 // of merges in merges
	for n != nil && n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n == nil || depth > deepest {
		return nil, nil
	}
	if n.Kind == yaml.SequenceNode {
		if i, err := strconv.Atoi(step); err == nil && i >= 0 && i < len(n.Content) {
			return nil, n.Content[i]
		}
		return nil, nil
	}
	if n.Kind != yaml.MappingNode {
		return nil, nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == step && n.Content[i].Tag != "!!merge" {
			return n.Content[i], n.Content[i+1]
		}
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Tag == "!!merge" {
			for _, from := range merged(n.Content[i+1]) {
				if key, value = elementAt(from, step, depth+1); value != nil {
					return key, value
				}
			}
		}
	}
	return nil, nil
}

// merged returns the maps that a merge names.
func merged(n *yaml.Node) []*yaml.Node {
	if n.Kind == yaml.SequenceNode {
		return n.Content
	}
	return []*yaml.Node{n}
}

// has reports whether values hold something at a path.
func has(values any, at []string) bool {
	for _, step := range at {
		switch v := values.(type) {
		case map[string]any:
			next, ok := v[step]
			if !ok {
				return false
			}
			values = next
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(v) {
				return false
			}
			values = v[i]
		default:
			return false
		}
	}
	return true
}

var inTemplate = regexp.MustCompile(`\(?\b([A-Za-z0-9_.-]+)/((?:charts/[A-Za-z0-9_.-]+/)*templates/[^\s:()]+):(\d+)(?::(\d+))?`)

// ProblemsOf lists the problems that an error is, with where each stands as far as it is known.
func ProblemsOf(err error) []config.Problem {
	var problems config.Problems
	var broken *RenderError
	switch {
	case errors.As(err, &problems):
		return problems.Sorted()
	case errors.As(err, &broken):
		return []config.Problem{broken.problem()}
	}
	return []config.Problem{{Message: err.Error()}}
}

// problem is where a template can't be rendered; where the release is listed, if no
// template of the repository is named.
func (e *RenderError) problem() config.Problem {
	out := config.Problem{File: e.file, Line: e.line, Message: strings.TrimPrefix(e.Error(), e.at)}
	m := inTemplate.FindStringSubmatch(e.err.Error())
	if m == nil || e.chart == "" {
		return out
	}
	out.File = path.Join(e.chart, m[2])
	out.Line, out.Column = number(m[3]), number(m[4])
	return out
}

// number reads digits; none are 0.
func number(text string) int {
	n, _ := strconv.Atoi(text)
	return n
}
