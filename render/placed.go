package render

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/xetys/tether/render/config"
	"github.com/xetys/tether/render/sops"
	"github.com/xetys/tether/render/yamldoc"
)

// Place is where something of a release is set.
type Place struct {
	// Kind is values (a file), inline (environment.yaml's own), valuesFrom, default (the
	// chart's), chart (its files), patch or environment.
	Kind string `json:"kind"`
	// File is from the repository's root; empty for what lies elsewhere.
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
	// Key is the values key, or the field of environment.yaml.
	Key string `json:"key,omitempty"`
	// Of names what lies elsewhere: a chart with its version, a Secret, a ConfigMap.
	Of string `json:"of,omitempty"`
	// Secret says that it is encrypted, or lies in a Secret: it is named, and never shown.
	Secret bool `json:"secret,omitempty"`
}

// String is a place as people read it: file:line key.
func (p Place) String() string {
	var parts []string
	if p.File != "" {
		at := p.File
		if p.Line > 0 {
			at += fmt.Sprintf(":%d", p.Line)
		}
		parts = append(parts, at)
	}
	key := p.Key
	if p.File == "" && p.Line > 0 && key != "" {
		key += fmt.Sprintf(":%d", p.Line)
	}
	if key != "" {
		parts = append(parts, key)
	}
	if p.Of != "" {
		parts = append(parts, "of "+p.Of)
	}
	switch {
	case p.Kind == "default" && p.File == "":
		parts = append(parts, "(its own value)")
	case p.Secret:
		parts = append(parts, "(secret)")
	}
	return strings.Join(parts, " ")
}

// Places finds where a release's values are set. It is not safe for concurrent use.
type Places struct {
	p     Inspection
	nodes map[string]*yaml.Node
	own   *yaml.Node
}

// Places returns what finds where the values of a release are set.
func (p Inspection) Places() *Places {
	s := &Places{p: p, nodes: map[string]*yaml.Node{}}
	if raw := p.ChartFile("values.yaml"); raw != nil {
		if node, err := yamldoc.File.Parse(raw); err == nil {
			s.own = node
		}
	}
	return s
}

// Of is where a path of the values is set: in the layer that wins. nil is returned for
// what nothing sets.
func (s *Places) Of(path []any) *Place {
	key := ValuesPath(path)
	for _, v := range slices.Backward(s.p.spec.Values) {
		at := Place{Kind: "inline", File: s.p.spec.File, Key: key}
		node := v.Node
		if v.File != "" {
			at.Kind, at.File = "values", v.File
			node = s.file(v.File)
			at.Secret = encrypted(node)
		}
		if line, ok := lineOfPath(node, path); ok {
			at.Line = line
			return &at
		}
	}
	if from := s.p.spec.ValuesFrom; len(from) > 0 && hasPath(s.p.values, path) {
		v := from[len(from)-1]
		return &Place{Kind: "valuesFrom", File: s.p.spec.File, Line: v.Line, Key: key, Of: v.Reference.String(), Secret: v.Kind == "Secret"}
	}
	return s.standard(path, key)
}

// standard is where the chart, or one in it, has its own value.
func (s *Places) standard(path []any, key string) *Place {
	name, node := "values.yaml", s.own
	line, ok := lineOfPath(node, path)
	if !ok && len(path) > 1 {
		name = fmt.Sprintf("charts/%v/values.yaml", path[0])
		if node, err := yamldoc.File.Parse(s.p.within(fmt.Sprint(path[0]))); err == nil {
			line, ok = lineOfPath(node, path[1:])
		}
	}
	if !ok {
		return nil
	}
	file, of := s.p.ChartAt(name)
	return &Place{Kind: "default", File: file, Line: line, Key: key, Of: of}
}

// within are the values of a chart in the release's, or beside it.
func (p Inspection) within(name string) []byte {
	if raw := p.ChartFile("charts/" + name + "/values.yaml"); raw != nil {
		return raw
	}
	for _, d := range p.chart.Dependencies {
		for _, f := range d.Files {
			if f.Name == "values.yaml" && d.Name() == name {
				return f.Data
			}
		}
	}
	return nil
}

// hasPath reports whether values have something at a path.
func hasPath(values map[string]any, path []any) bool {
	var v any = values
	for _, step := range path {
		at, ok := v.(map[string]any)
		if !ok {
			return true // within a list
		}
		if v, ok = at[fmt.Sprint(step)]; !ok {
			return false
		}
	}
	return true
}

func (s *Places) file(name string) *yaml.Node {
	if node, ok := s.nodes[name]; ok {
		return node
	}
	var node *yaml.Node
	if raw, err := config.ReadFile(s.p.files, name, config.MaxFile); err == nil {
		if n, err := yamldoc.File.Parse(raw); err == nil {
			node = n
		}
	}
	s.nodes[name] = node
	return node
}

func encrypted(node *yaml.Node) bool {
	values := map[string]any{}
	return node != nil && node.Decode(&values) == nil && sops.Encrypted(values)
}

// lineOfPath is the line of a path's key in a document. A list is set as a whole: an
// element of one stands where it is written.
func lineOfPath(n *yaml.Node, path []any) (int, bool) {
	if n == nil {
		return 0, false
	}
	if n.Kind == yaml.DocumentNode {
		if len(n.Content) == 0 {
			return 0, false
		}
		n = n.Content[0]
	}
	line := n.Line
	for _, step := range path {
		if n.Kind == yaml.AliasNode {
			n = n.Alias
		}
		next, at := childOf(n, step)
		if next == nil {
			return 0, false
		}
		n, line = next, at
	}
	return line, true
}

// childOf is what a step leads to, and the line where it is written: a key's own, which
// counts before what a map merges.
func childOf(n *yaml.Node, step any) (*yaml.Node, int) {
	switch n.Kind {
	case yaml.SequenceNode:
		if i, ok := step.(int); ok && i < len(n.Content) {
			return n.Content[i], n.Content[i].Line
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == fmt.Sprint(step) && n.Content[i].Tag != "!!merge" {
				return n.Content[i+1], n.Content[i].Line
			}
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Tag != "!!merge" {
				continue
			}
			for _, m := range mergedMaps(n.Content[i+1]) {
				if next, line := childOf(m, step); next != nil {
					return next, line
				}
			}
		}
	}
	return nil, 0
}

// mergedMaps are the maps that a merge key brings, of which the first one wins.
func mergedMaps(n *yaml.Node) []*yaml.Node {
	switch n.Kind {
	case yaml.AliasNode:
		return mergedMaps(n.Alias)
	case yaml.SequenceNode:
		var out []*yaml.Node
		for _, e := range n.Content {
			out = append(out, mergedMaps(e)...)
		}
		return out
	}
	return []*yaml.Node{n}
}

// ValuesPath is a path of values as people write it.
func ValuesPath(path []any) string {
	out := ""
	for _, step := range path {
		if i, ok := step.(int); ok {
			out += fmt.Sprintf("[%d]", i)
			continue
		}
		if out != "" {
			out += "."
		}
		out += fmt.Sprint(step)
	}
	return out
}

// NamespaceAt is where a release's namespace is set: by the release, or by the environment.
func (e *Environment) NamespaceAt(spec config.ReleaseSpec) Place {
	if spec.Namespace != e.Namespace {
		return Place{Kind: "environment", File: e.File, Line: spec.Line, Key: "namespace"}
	}
	return Place{Kind: "environment", File: e.File, Line: e.Line, Key: "spec.namespace"}
}

// Listed is where a field of the release stands in environment.yaml, at the least the
// release itself.
func (p Inspection) Listed(key string) Place {
	return Place{Kind: "environment", File: p.spec.File, Line: p.spec.Line, Key: key}
}

// PatchAt is where a patch of the release stands, counted from 1.
func (p Inspection) PatchAt(n int) Place {
	return Place{Kind: "patch", File: p.spec.File, Line: p.spec.Patches[n-1].Line, Key: "patches"}
}

// Shown is a value as it may be shown: JSON, or what stands for a secret.
func (p Inspection) Shown(value string) string {
	other := value
	p.MaskDrift(&value, &other)
	return value
}
