// Package edit changes values of a YAML file and leaves every other byte as it is:
// comments, order, quotes, blank lines.
//
// It does not know which file or key is to be changed, nor why: it knows YAML.
package edit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Set returns a YAML document with another text at a path: a string names a key of a
// map, an int an element of a list. Keys that are missing are added at the end of their
// map. The result is proven to differ from the input in that one value; what can't be
// changed so (an alias, an anchor, a tag, a text of several lines, several documents) is
// an error that says where, and nothing is returned.
func Set(text []byte, path []any, value string) ([]byte, error) {
	if len(path) == 0 {
		return nil, errors.New("no key is named")
	}
	before, err := decode(text)
	if err != nil {
		return nil, err
	}
	out, err := set(text, path, value)
	if err != nil {
		return nil, err
	}
	want, err := put(before, path, value)
	if err != nil {
		return nil, err
	}
	if after, err := decode(out); err != nil || !reflect.DeepEqual(want, after) {
		return nil, fmt.Errorf("%s can't be set without changing something else of the file: write it by hand", Path(path))
	}
	return out, nil
}

// Path is how a path is told: image.tag, releases[1].name.
func Path(path []any) string {
	var b strings.Builder
	for _, step := range path {
		if i, ok := step.(int); ok {
			fmt.Fprintf(&b, "[%d]", i)
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		b.WriteString(strings.ReplaceAll(fmt.Sprint(step), ".", `\.`))
	}
	return b.String()
}

// decode reads the one document that a file holds.
func decode(text []byte) (any, error) {
	var v, more any
	d := yaml.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(&v); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("it is no YAML: %w", err)
	}
	if err := d.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, errors.New("it holds more than one document")
	}
	return v, nil
}

// put is Set on decoded values.
func put(in any, path []any, value string) (any, error) {
	if len(path) == 0 {
		return value, nil
	}
	if i, ok := path[0].(int); ok {
		list, ok := in.([]any)
		if !ok || i < 0 || i >= len(list) {
			return nil, fmt.Errorf("there is no element %d", i)
		}
		out := append([]any{}, list...)
		v, err := put(list[i], path[1:], value)
		out[i] = v
		return out, err
	}
	out := map[string]any{}
	switch m := in.(type) {
	case nil:
	case map[string]any:
		for k, v := range m {
			out[k] = v
		}
	default:
		return nil, fmt.Errorf("%v is no map", path[0])
	}
	key := fmt.Sprint(path[0])
	v, err := put(out[key], path[1:], value)
	out[key] = v
	return out, err
}

// document is a text with its nodes.
type document struct {
	text  []byte
	lines []int // where each line begins
}

func set(text []byte, path []any, value string) ([]byte, error) {
	d := document{text: text, lines: linesOf(text)}
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err != nil {
		return nil, fmt.Errorf("it is no YAML: %w", err)
	}
	if len(root.Content) == 0 || isNull(root.Content[0]) {
		return d.insert(len(text), d.block(path, value, 0))
	}
	var key *yaml.Node
	node := root.Content[0]
	for i, step := range path {
		if node.Kind == yaml.AliasNode {
			return nil, d.refuse(node, path[:i], "is an alias")
		}
		if isNull(node) && key != nil {
			return d.fill(key, node, path[i:], value)
		}
		var k, v *yaml.Node
		switch at := step.(type) {
		case int:
			if node.Kind != yaml.SequenceNode || at >= len(node.Content) {
				return nil, d.refuse(node, path[:i], fmt.Sprintf("has no element %d", at))
			}
			v = node.Content[at]
		default:
			if node.Kind != yaml.MappingNode {
				return nil, d.refuse(node, path[:i], "is no map")
			}
			if k, v = find(node, fmt.Sprint(at)); v == nil {
				return d.add(node, path[i:], value)
			}
		}
		key, node = k, v
	}
	if isNull(node) && node.Value == "" && key != nil {
		return d.fill(key, node, nil, value)
	}
	return d.replace(node, path, value)
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// find returns the key and the value of a map's own; what it merges with << is not.
func find(m *yaml.Node, key string) (k, v *yaml.Node) {
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i].Kind == yaml.ScalarNode && m.Content[i].Value == key && m.Content[i].Tag != "!!merge" {
			return m.Content[i], m.Content[i+1]
		}
	}
	return nil, nil
}

func (d *document) refuse(n *yaml.Node, path []any, what string) error {
	return fmt.Errorf("line %d: %s %s: write it by hand", n.Line, Path(path), what)
}

// offset is where a node begins; columns count runes.
func (d *document) offset(n *yaml.Node) int {
	at := d.lines[n.Line-1]
	for range n.Column - 1 {
		if at < len(d.text) && d.text[at] < 0x80 {
			at++
			continue
		}
		for at++; at < len(d.text) && d.text[at]&0xc0 == 0x80; at++ {
		}
	}
	return at
}

// replace writes another text in the place of a scalar, with the quotes that it has.
func (d *document) replace(n *yaml.Node, path []any, value string) ([]byte, error) {
	switch {
	case n.Kind == yaml.AliasNode:
		return nil, d.refuse(n, path, "is an alias")
	case n.Kind != yaml.ScalarNode:
		return nil, d.refuse(n, path, "is no single value")
	case n.Anchor != "" || n.Style&yaml.TaggedStyle != 0:
		return nil, d.refuse(n, path, "has an anchor or a tag")
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		return nil, d.refuse(n, path, "is a block of text")
	}
	from := d.offset(n)
	to, text := from+len(n.Value), plain(value)
	switch {
	case n.Style&yaml.DoubleQuotedStyle != 0:
		to, text = endOfDouble(d.text, from), quoted(value)
	case n.Style&yaml.SingleQuotedStyle != 0:
		to, text = endOfSingle(d.text, from), "'"+strings.ReplaceAll(value, "'", "''")+"'"
	case !bytes.HasPrefix(d.text[from:], []byte(n.Value)):
		return nil, d.refuse(n, path, "is a text of several lines")
	}
	if to < 0 {
		return nil, d.refuse(n, path, "has no end")
	}
	return splice(d.text, from, to, text), nil
}

func endOfDouble(text []byte, from int) int {
	for i := from + 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return -1
}

func endOfSingle(text []byte, from int) int {
	for i := from + 1; i < len(text); i++ {
		if text[i] != '\'' {
			continue
		}
		if i+1 < len(text) && text[i+1] == '\'' {
			i++
			continue
		}
		return i + 1
	}
	return -1
}

// add puts a key that is missing at the end of a map.
func (d *document) add(m *yaml.Node, rest []any, value string) ([]byte, error) {
	if m.Style&yaml.FlowStyle != 0 || len(m.Content) == 0 {
		at := d.offset(m)
		if at >= len(d.text) || d.text[at] != '{' {
			return nil, d.refuse(m, rest[:1], "can't be added to a map with an anchor or a tag")
		}
		text := flow(rest, value, len(m.Content) > 0 && m.Content[0].Style&yaml.DoubleQuotedStyle != 0)
		if len(m.Content) > 0 {
			text += ", "
		}
		return splice(d.text, at+1, at+1, text), nil
	}
	last := m.Content[len(m.Content)-2]
	indent := last.Column - 1
	return d.insert(d.endOfValue(last.Line, indent), d.block(rest, value, indent))
}

// endOfValue is where the value of the key on a line ends: before the next line that is
// not indented more than the key, blank lines left out.
func (d *document) endOfValue(line, indent int) int {
	end := d.after(line)
	for i := line + 1; i <= len(d.lines); i++ {
		text := strings.TrimRight(string(d.text[d.lines[i-1]:d.after(i)]), "\r\n \t")
		rest := strings.TrimLeft(text, " ")
		switch in := len(text) - len(rest); {
		case rest == "":
			continue
		case in > indent, in == indent && (rest == "-" || strings.HasPrefix(rest, "- ")):
			end = d.after(i)
		default:
			return end
		}
	}
	return end
}

// after is where the line that follows a line begins.
func (d *document) after(line int) int {
	if line < len(d.lines) {
		return d.lines[line]
	}
	return len(d.text)
}

// fill gives a value to a key that has none.
func (d *document) fill(key, null *yaml.Node, rest []any, value string) ([]byte, error) {
	switch {
	case null.Anchor != "" || null.Style&yaml.TaggedStyle != 0:
		return nil, d.refuse(key, []any{key.Value}, "has an anchor or a tag")
	case null.Value != "" && len(rest) > 0: // ~ or null
		from := d.offset(null)
		return splice(d.text, from, from+len(null.Value), "{"+flow(rest, value, false)+"}"), nil
	case len(rest) > 0:
		return d.insert(d.after(key.Line), d.block(rest, value, key.Column+1))
	}
	at := d.offset(key)
	colon := bytes.IndexByte(d.text[at:d.after(key.Line)], ':')
	if colon < 0 || key.Style != 0 {
		return nil, d.refuse(key, []any{key.Value}, "has no value")
	}
	return splice(d.text, at+colon+1, at+colon+1, " "+plain(value)), nil
}

// insert puts whole lines at the beginning of a line.
func (d *document) insert(at int, text string) ([]byte, error) {
	end := "\n"
	if bytes.Contains(d.text, []byte("\r\n")) {
		end = "\r\n"
	}
	if at > 0 && d.text[at-1] != '\n' {
		text = "\n" + text
	}
	return splice(d.text, at, at, strings.ReplaceAll(text, "\n", end)), nil
}

// block is a value with the keys that lead to it, a line each.
func (d *document) block(rest []any, value string, indent int) string {
	var b strings.Builder
	for i, step := range rest {
		fmt.Fprintf(&b, "%s%s:", strings.Repeat(" ", indent+2*i), plain(fmt.Sprint(step)))
		if i < len(rest)-1 {
			b.WriteByte('\n')
		}
	}
	return b.String() + " " + plain(value) + "\n"
}

// flow is block on one line.
func flow(rest []any, value string, quotes bool) string {
	write := plain
	if quotes {
		write = quoted
	}
	out := write(value)
	for i := len(rest) - 1; i >= 0; i-- {
		if out = write(fmt.Sprint(rest[i])) + ": " + out; i > 0 {
			out = "{" + out + "}"
		}
	}
	if len(rest) > 0 {
		return out
	}
	return write(value)
}

// plain writes a text without quotes where it stays a text so, everywhere in YAML.
func plain(value string) string {
	var n yaml.Node
	err := yaml.Unmarshal([]byte("[k: "+value+"]"), &n)
	if err == nil && len(n.Content) == 1 && len(n.Content[0].Content) == 1 && len(n.Content[0].Content[0].Content) == 2 {
		if v := n.Content[0].Content[0].Content[1]; v.Kind == yaml.ScalarNode && v.Tag == "!!str" && v.Style == 0 && v.Value == value && v.Anchor == "" {
			return value
		}
	}
	return quoted(value)
}

// quoted writes a text with double quotes, as JSON has them.
func quoted(value string) string {
	raw, err := json.Marshal(value)
	if err != nil { // a string always has a form in JSON
		panic(err)
	}
	return string(raw)
}

func splice(text []byte, from, to int, with string) []byte {
	out := make([]byte, 0, len(text)+len(with))
	out = append(out, text[:from]...)
	out = append(out, with...)
	return append(out, text[to:]...)
}
