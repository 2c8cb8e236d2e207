package config

import (
	"path"
	"regexp"

	"go.yaml.in/yaml/v3"
	sigsyaml "sigs.k8s.io/yaml"

	"github.com/xetys/tether/render/manifest"
	"github.com/xetys/tether/render/sops"
)

// maxLayers bounds the values of a release, and its references to values.
const maxLayers = 100

// ValuesSpec is one layer of values: a file of the repository, or what stands in
// environment.yaml itself.
type ValuesSpec struct {
	// File is from the repository's root.
	File string
	// Inline is what there is without a file.
	Inline map[string]any

	// Node is where Inline stands.
	Node *yaml.Node `json:"-"`
}

// ValuesFromSpec is a layer of values that lies in the cluster, in the release's
// namespace.
type ValuesFromSpec struct {
	manifest.Reference
	// Key is what holds the values.
	Key string
	// TargetPath is where the key's text is put as it is; else it holds a map.
	TargetPath string
	// Optional has it left out if it does not exist.
	Optional bool

	// Line is where it is listed.
	Line int `json:"-"`
}

type valuesFromDocument struct {
	Kind       string `yaml:"kind"`
	Name       string `yaml:"name"`
	Key        string `yaml:"key"`
	TargetPath string `yaml:"targetPath"`
	Optional   bool   `yaml:"optional"`
}

var objectName = regexp.MustCompile(`^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$`)

// values reads what stands under values: a list of files and maps, or one map.
func (l *checker) values(node yaml.Node) []ValuesSpec {
	switch node.Kind {
	case 0:
		return nil
	case yaml.MappingNode:
		return l.inline(&node)
	case yaml.SequenceNode:
	default:
		if node.Tag == "!!null" {
			return nil
		}
		l.refuse(node.Line, "values of a release are a list of files and maps, or one map of values")
		return nil
	}
	if len(node.Content) > maxLayers {
		l.refuse(node.Line, "values of a release list %d files and maps, more than %d: merge some of them", len(node.Content), maxLayers)
		return nil
	}
	var out []ValuesSpec
	for _, e := range node.Content {
		switch {
		case e.Kind == yaml.MappingNode:
			out = append(out, l.inline(e)...)
		case e.Kind == yaml.ScalarNode && e.Tag == "!!str" && e.Value != "":
			if p, ok := l.within(e.Line, "values file", e.Value, path.Dir(l.file)); ok {
				out = append(out, ValuesSpec{File: p})
			}
		default:
			l.refuse(e.Line, "an element of values is neither the name of a file nor a map of values")
		}
	}
	return out
}

// inline gives values that stand in environment.yaml the types that they would have
// in a file.
func (l *checker) inline(node *yaml.Node) []ValuesSpec {
	values := map[string]any{}
	raw, err := yaml.Marshal(node)
	if err == nil {
		err = sigsyaml.Unmarshal(raw, &values)
	}
	if err != nil {
		l.refuse(node.Line, "inline values can't be read by themselves: %v", err)
		return nil
	}
	if sops.Encrypted(values) {
		l.refuse(node.Line, "inline values are encrypted with SOPS: put them into a file")
		return nil
	}
	return []ValuesSpec{{Inline: values, Node: node}}
}

func (l *checker) valuesFrom(release int, namespace string, docs []valuesFromDocument) []ValuesFromSpec {
	var out []ValuesFromSpec
	if len(docs) > maxLayers {
		l.refuse(l.line("spec", "releases", release, "valuesFrom"), "valuesFrom of a release has %d references, more than %d: merge some of them", len(docs), maxLayers)
		return nil
	}
	for i, d := range docs {
		at := func(field string) int { return l.line("spec", "releases", release, "valuesFrom", i, field) }
		v := ValuesFromSpec{Reference: manifest.Reference{Kind: d.Kind, Namespace: namespace, Name: d.Name},
			Key: d.Key, TargetPath: d.TargetPath, Optional: d.Optional, Line: at("name")}
		if v.Key == "" {
			v.Key = "values.yaml"
		}
		if d.Kind != "ConfigMap" && d.Kind != "Secret" {
			l.refuse(at("kind"), "kind %q of valuesFrom: use ConfigMap or Secret", d.Kind)
		}
		if !objectName.MatchString(d.Name) {
			l.refuse(at("name"), "name %q of valuesFrom: name a ConfigMap or a Secret of the release's namespace", d.Name)
		}
		if d.TargetPath != "" {
			if err := checkTargetPath(d.TargetPath); err != nil {
				l.refuse(at("targetPath"), "targetPath %.200q of valuesFrom: %v; use a path like database.password, with \\. for a dot in a key", d.TargetPath, err)
			}
		}
		out = append(out, v)
	}
	return out
}
