package render

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/xetys/tether/render/config"
	"github.com/xetys/tether/render/sops"
	"github.com/xetys/tether/render/yamldoc"
)

// place is where something stands in the repository.
type place struct {
	file string
	line int
	key  string // of the values; empty if it is none of them
}

// places finds where things of a release stand in the repository.
type places struct {
	spec  *config.ReleaseSpec
	files fs.FS
}

func (p *Prepared) places() places { return places{&p.spec, p.files} }

// listed is where the release is listed.
func (p places) listed() place { return place{file: p.spec.File, line: p.spec.Line} }

// find returns the first value that is as wanted of those that stand in the repository
// for all to read, the layer that wins first. What is encrypted is left out.
func (p places) find(is func(key, text string) bool) (place, bool) {
	for _, v := range slices.Backward(p.spec.Values) {
		file, node := p.spec.File, v.Node
		if v.File != "" {
			file, node = v.File, p.readable(v.File)
		}
		if node == nil {
			continue
		}
		at := place{file: file}
		if walk(node, nil, func(path []string, n *yaml.Node) bool {
			at.line, at.key = n.Line, strings.Join(path, ".")
			return is(at.key, n.Value)
		}) {
			return at, true
		}
	}
	return place{}, false
}

// readable is what a values file holds, if it is not encrypted; else nil. It was read
// before.
func (p places) readable(name string) *yaml.Node {
	raw, err := config.ReadFile(p.files, name, config.MaxFile)
	if err != nil {
		return nil
	}
	node, err := yamldoc.File.Parse(raw)
	values := map[string]any{}
	if err != nil || node.Decode(&values) != nil || sops.Encrypted(values) {
		return nil
	}
	return node
}

// walk goes through the single values of a document, each with the keys that lead to it,
// until one is as wanted. An alias is the place where it is used.
func walk(n *yaml.Node, path []string, is func(path []string, n *yaml.Node) bool) bool {
	switch n.Kind {
	case yaml.ScalarNode:
		return n.Tag != "!!null" && is(path, n)
	case yaml.AliasNode:
		if n.Alias.Kind != yaml.ScalarNode {
			return false // what it stands for is walked where it is written
		}
		used := *n.Alias
		used.Line = n.Line
		return walk(&used, path, is)
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			if walk(n.Content[i+1], append(slices.Clone(path), n.Content[i].Value), is) {
				return true
			}
		}
	case yaml.SequenceNode:
		for i, e := range n.Content {
			if walk(e, append(slices.Clone(path), fmt.Sprint(i)), is) {
				return true
			}
		}
	case yaml.DocumentNode:
		return slices.ContainsFunc(n.Content, func(e *yaml.Node) bool { return walk(e, path, is) })
	}
	return false
}
