package blame

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Line is a line of an object, as YAML has it.
type Line struct {
	Text string
	// Field is the one that it shows; nil if it shows none.
	Field *Field
}

// Lines returns an object as YAML has it, line by line. A value of several lines is shown by its
// first, and a secret by what stands for it.
func (o *Object) Lines() ([]Line, error) {
	byStep := map[string]*Field{}
	for i, f := range o.Fields {
		byStep[fmt.Sprintf("%q", f.Steps)] = &o.Fields[i]
	}
	var out []Line
	err := yamlLines(treeOf(*o), nil, "", func(text string, steps []any) {
		out = append(out, Line{Text: text, Field: byStep[fmt.Sprintf("%q", steps)]})
	})
	return out, err
}

// treeOf puts the fields of an object together again.
func treeOf(o Object) any {
	var root any
	for _, f := range o.Fields {
		root = grow(root, f.Steps, f)
	}
	return root
}

// sparse is a list of which some elements are shown.
type sparse map[int]any

func grow(at any, steps []any, f Field) any {
	if len(steps) == 0 {
		return f
	}
	if i, ok := steps[0].(int); ok {
		list, _ := at.(sparse)
		if list == nil {
			list = sparse{}
		}
		list[i] = grow(list[i], steps[1:], f)
		return list
	}
	m, _ := at.(map[string]any)
	if m == nil {
		m = map[string]any{}
	}
	key := fmt.Sprint(steps[0])
	m[key] = grow(m[key], steps[1:], f)
	return m
}

// yamlLines goes through an object as YAML has it; see is told each line, and the steps to
// the field that it shows, if it shows one.
func yamlLines(v any, steps []any, lead string, see func(string, []any)) error {
	indent := strings.Repeat(" ", len(lead))
	switch v := v.(type) {
	case Field:
		see(lead+v.Value, steps)
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			next := append(slices.Clone(steps), k)
			if f, ok := v[k].(Field); ok {
				text, err := scalar(f.Value)
				if err != nil {
					return err
				}
				see(lead+keyOf(k)+": "+text, next)
			} else {
				see(lead+keyOf(k)+":", nil)
				if err := yamlLines(v[k], next, indent+"  ", see); err != nil {
					return err
				}
			}
			lead = indent
		}
	case sparse:
		for _, i := range slices.Sorted(maps.Keys(v)) {
			next := append(slices.Clone(steps), i)
			if f, ok := v[i].(Field); ok {
				text, err := scalar(f.Value)
				if err != nil {
					return err
				}
				see(indent+"- "+text, next)
				continue
			}
			if err := yamlLines(v[i], next, indent+"- ", see); err != nil {
				return err
			}
		}
	}
	return nil
}

func keyOf(k string) string {
	text, err := scalar(fmt.Sprintf("%q", k))
	if err != nil {
		return k
	}
	return text
}

// scalar is a JSON value as YAML has it, on one line.
func scalar(value string) (string, error) {
	var v any
	if json.Unmarshal([]byte(value), &v) != nil {
		return value, nil // it stands for a secret
	}
	s, ok := v.(string)
	if !ok {
		return value, nil
	}
	if strings.Contains(s, "\n") {
		first, _, _ := strings.Cut(s, "\n")
		return fmt.Sprintf("%q… (%s)", first, lineCount(s)), nil
	}
	raw, err := yaml.Marshal(s)
	return strings.TrimSuffix(string(raw), "\n"), err
}

func lineCount(s string) string {
	if n := strings.Count(strings.TrimSuffix(s, "\n"), "\n") + 1; n != 1 {
		return fmt.Sprintf("%d lines", n)
	}
	return "1 line"
}
