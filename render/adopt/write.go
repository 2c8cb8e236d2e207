package adopt

import (
	"bytes"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Files are the files of an environment, from the repository's root: environment.yaml and
// a values file for each release that has values of its own. Comments say where each came
// from. No secret value stands in them.
func Files(environment, namespace string, releases []*Release) (map[string][]byte, error) {
	dir := path.Join("environments", environment)
	out := map[string][]byte{}
	var list []*yaml.Node
	var ignore []map[string]any
	logins := map[string]string{}
	for _, r := range releases {
		var values string
		if len(r.Values) > 0 {
			values = r.Name + ".yaml"
			text, err := document(r.Values, fmt.Sprintf("Values of release %s, by tether adopt from %s.", r.Name, r.From))
			if err != nil {
				return nil, err
			}
			out[path.Join(dir, values)] = text
		}
		node, err := r.node(values)
		if err != nil {
			return nil, err
		}
		list = append(list, node)
		ignore = append(ignore, r.Settings.Ignore...)
		maps.Copy(logins, r.Settings.Logins)
	}
	spec := &mapping{}
	spec.add("namespace", namespace, "")
	if len(ignore) > 0 {
		spec.add("ignore", ignore, "")
	}
	if len(logins) > 0 {
		var all []map[string]any
		for _, host := range slices.Sorted(maps.Keys(logins)) {
			all = append(all, map[string]any{"host": host, "secret": logins[host]})
		}
		spec.add("chartCredentials", all, "")
	}
	spec.add("releases", &yaml.Node{Kind: yaml.SequenceNode, Content: list}, "")
	root := &mapping{}
	root.add("apiVersion", "tether.stytex.cloud/v1", "")
	root.add("kind", "Environment", "")
	root.add("metadata", map[string]any{"name": environment}, "")
	root.add("spec", spec.node(), "")
	text, err := document(root.node(), "By tether adopt, from what ran. Read it, then commit it.")
	if err != nil {
		return nil, err
	}
	out[path.Join(dir, "environment.yaml")] = text
	return out, nil
}

// node is a release's entry in environment.yaml.
func (r *Release) node(values string) (*yaml.Node, error) {
	m := &mapping{}
	m.add("name", r.Name, "")
	m.add("chart", r.Chart.Location, "")
	if r.Chart.Version != "" {
		m.add("version", r.Chart.Version, "")
	}
	from := slices.Clone(r.ValuesFrom)
	said := ""
	if len(r.Secret) > 0 {
		from = append(from, ValuesFrom{Kind: "Secret", Name: r.SecretName()})
		said = fmt.Sprintf("Secret %s holds, under values.yaml: %s. They are not in git; sops can put them there.", r.SecretName(), strings.Join(r.secretKeys(), ", "))
	}
	if len(from) > 0 {
		m.add("valuesFrom", from, said)
	}
	var layers []string
	for _, file := range r.Files {
		layers = append(layers, "/"+file)
	}
	if values != "" {
		layers = append(layers, values)
	}
	if len(layers) > 0 {
		m.add("values", layers, "")
	}
	if len(r.Settings.Patches) > 0 {
		m.add("patches", r.Settings.Patches, "")
	}
	if len(r.Settings.DependsOn) > 0 {
		m.add("dependsOn", r.Settings.DependsOn, "")
	}
	if r.Settings.Timeout != "" {
		m.add("timeout", r.Settings.Timeout, "")
	}
	if r.Settings.Retries > 0 {
		m.add("retries", r.Settings.Retries, "")
	}
	node := m.node()
	node.HeadComment = comment("From " + r.From + ".")
	for _, note := range r.Notes {
		node.HeadComment += "\n" + comment("Not carried over: "+note+".")
	}
	return node, m.err
}

// secretKeys are the paths of a release's secret values.
func (r *Release) secretKeys() []string {
	var out []string
	for _, at := range r.Secret {
		out = append(out, strings.Join(at, "."))
	}
	return out
}

// mapping is a map whose keys keep their order, and bear comments.
type mapping struct {
	content []*yaml.Node
	err     error
}

func (m *mapping) add(key string, value any, said string) {
	k := &yaml.Node{Kind: yaml.ScalarNode, Value: key}
	if said != "" {
		k.HeadComment = comment(said)
	}
	v, ok := value.(*yaml.Node)
	if !ok {
		v = &yaml.Node{}
		if err := v.Encode(value); err != nil && m.err == nil {
			m.err = fmt.Errorf("%s: %w", key, err)
		}
	}
	m.content = append(m.content, k, v)
}

func (m *mapping) node() *yaml.Node { return &yaml.Node{Kind: yaml.MappingNode, Content: m.content} }

// comment is a text as one line of a comment.
func comment(text string) string { return "# " + strings.Join(strings.Fields(text), " ") }

// document is a value as a document of YAML, below a comment.
func document(value any, said string) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString(comment(said) + "\n")
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(value); err != nil {
		return nil, err
	}
	return b.Bytes(), e.Close()
}
