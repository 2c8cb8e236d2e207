package edit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// carryOut writes one change.
func (c change) carryOut(text []byte) ([]byte, error) {
	d := document{text: text, lines: linesOf(text)}
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err != nil {
		return nil, fmt.Errorf("it is no YAML: %w", err)
	}
	if len(root.Content) == 0 || isNull(root.Content[0]) {
		if len(c.path) == 0 || !c.add {
			return nil, fmt.Errorf("%s: the file holds nothing", Path(c.path))
		}
		return d.insert(len(text), d.blockOf(c.path, c.value, 0))
	}
	if len(c.path) == 0 {
		return nil, fmt.Errorf("line %d: the document as a whole is another one: write it by hand", root.Content[0].Line)
	}
	at, err := d.find(root.Content[0], c.path)
	if err != nil {
		return nil, err
	}
	switch {
	case c.remove:
		return d.remove(at, c.path)
	case c.add:
		return d.addTo(at, c.path, c.value)
	}
	return d.put(at, c.path, c.value)
}

func linesOf(text []byte) []int {
	lines := []int{0}
	for i, c := range text {
		if c == '\n' {
			lines = append(lines, i+1)
		}
	}
	return lines
}

// spot is where a path leads: the map or list that holds it, the key and the value, and
// whether the whole is written in flow style. key and value are nil for what is new.
type spot struct {
	holder, key, value *yaml.Node
	i                  int // of the value, among the holder's
	flow               bool
}

func (d *document) find(node *yaml.Node, path []any) (spot, error) {
	at := spot{value: node}
	for n, step := range path {
		holder := at.value
		if holder == nil {
			return at, fmt.Errorf("%s is not there", Path(path[:n]))
		}
		if holder.Kind == yaml.AliasNode || holder.Anchor != "" && n > 0 {
			return at, d.refuse(holder, path[:n], "is an alias, or has an anchor")
		}
		at = spot{holder: holder, flow: at.flow || holder.Style&yaml.FlowStyle != 0}
		switch s := step.(type) {
		case int:
			if holder.Kind != yaml.SequenceNode || s > len(holder.Content) {
				return at, d.refuse(holder, path[:n], fmt.Sprintf("has no element %d", s))
			}
			if at.i = s; s < len(holder.Content) {
				at.value = holder.Content[s]
			}
		default:
			if holder.Kind != yaml.MappingNode {
				return at, d.refuse(holder, path[:n], "is no map")
			}
			at.i = len(holder.Content)
			for i := 0; i+1 < len(holder.Content); i += 2 {
				if k := holder.Content[i]; k.Kind == yaml.ScalarNode && k.Value == fmt.Sprint(s) && k.Tag != "!!merge" {
					at.i, at.key, at.value = i, k, holder.Content[i+1]
				}
			}
		}
	}
	return at, nil
}

// addTo writes a key or an element that is new.
func (d *document) addTo(at spot, path []any, value any) ([]byte, error) {
	h := at.holder
	last := path[len(path)-1]
	if at.flow || len(h.Content) == 0 {
		return d.addFlow(at, last, value)
	}
	if i, ok := last.(int); ok {
		indent := h.Column - 1
		where := d.lines[h.Content[0].Line-1]
		if i > 0 {
			where = d.endOfItem(h.Content[i-1].Line, indent)
		}
		return d.insert(where, d.item(value, indent))
	}
	key := h.Content[len(h.Content)-2]
	indent := key.Column - 1
	return d.insert(d.endOfValue(key.Line, indent), d.blockOf([]any{last}, value, indent))
}

func (d *document) addFlow(at spot, last, value any) ([]byte, error) {
	from := d.offset(at.holder)
	if from >= len(d.text) || d.text[from] != '{' && d.text[from] != '[' {
		return nil, d.refuse(at.holder, []any{last}, "can't be added to what has an anchor or a tag")
	}
	quotes := len(at.holder.Content) > 0 && at.holder.Content[0].Style&yaml.DoubleQuotedStyle != 0
	text := flowOf(value, quotes)
	if _, element := last.(int); !element {
		text = flowOf(fmt.Sprint(last), quotes) + ": " + text
	}
	if len(at.holder.Content) == 0 {
		return splice(d.text, from+1, from+1, text), nil
	}
	if at.i == 0 {
		from = d.offset(at.holder.Content[0])
		return splice(d.text, from, from, text+", "), nil
	}
	end := d.endOfFlow(at.holder.Content[at.i-1])
	if end < 0 {
		return nil, d.refuse(at.holder, []any{last}, "has no end")
	}
	return splice(d.text, end, end, ", "+text), nil
}

// put writes another value in the place of one.
func (d *document) put(at spot, path []any, value any) ([]byte, error) {
	n := at.value
	scalar := !isMany(value)
	switch {
	case n.Kind == yaml.AliasNode, n.Anchor != "", n.Style&yaml.TaggedStyle != 0:
		return nil, d.refuse(n, path, "is an alias, or has an anchor or a tag")
	case n.Kind == yaml.ScalarNode && scalar && n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) == 0 && n.Value+n.Tag != "!!null":
		if text, ok := value.(string); ok {
			return d.replace(n, path, text)
		}
		return d.inPlace(n, path, flowOf(value, false))
	case at.flow || n.Kind != yaml.ScalarNode && n.Style&yaml.FlowStyle != 0 && (scalar || isEmpty(value)):
		return d.inPlace(n, path, flowOf(value, n.Style&yaml.DoubleQuotedStyle != 0))
	}
	if at.key == nil {
		indent := at.holder.Column - 1
		from := d.lines[n.Line-1]
		return d.insertOver(from, d.endOfItem(n.Line, indent), d.item(value, indent)), nil
	}
	indent := at.key.Column - 1
	from := d.offset(at.key)
	text := strings.TrimLeft(d.blockOf([]any{path[len(path)-1]}, value, indent), " ")
	if comment := d.commentOf(at.key, n); comment != "" {
		first, rest, _ := strings.Cut(text, "\n")
		text = first + " " + comment + "\n" + rest
	}
	return d.insertOver(from, d.endOfValue(at.key.Line, indent), text), nil
}

// commentOf is the comment that stands behind a key, or behind its value if that is of one
// line.
func (d *document) commentOf(key, value *yaml.Node) string {
	from := d.offset(key) + len(key.Value)
	if value.Line == key.Line {
		if from = d.endOfFlow(value); from < 0 {
			return ""
		}
	}
	_, comment, found := strings.Cut(string(d.text[from:max(from, d.after(key.Line))]), " #")
	if !found || strings.Contains(comment, "\n#") {
		return ""
	}
	return "#" + strings.TrimRight(comment, "\r\n")
}

// inPlace replaces what stands in one place by a text of one line.
func (d *document) inPlace(n *yaml.Node, path []any, text string) ([]byte, error) {
	end := d.endOfFlow(n)
	if end < 0 {
		return nil, d.refuse(n, path, "has no end")
	}
	return splice(d.text, d.offset(n), end, text), nil
}

// remove takes a key or an element away.
func (d *document) remove(at spot, path []any) ([]byte, error) {
	h := at.holder
	each, first := 1, at.value
	if at.key != nil {
		each, first = 2, at.key
	}
	if first == nil {
		return nil, fmt.Errorf("%s is not there", Path(path))
	}
	next := at.i + each
	switch {
	case at.flow && next < len(h.Content):
		return splice(d.text, d.offset(first), d.offset(h.Content[next]), ""), nil
	case at.flow && at.i > 0:
		return splice(d.text, d.endOfFlow(h.Content[at.i-1]), d.endOfFlow(at.value), ""), nil
	case at.flow:
		return d.inPlace(h, path, string(d.text[d.offset(h)])+closing(d.text[d.offset(h)]))
	case len(h.Content) == each && len(path) > 1:
		return nil, d.refuse(h, path, "is all that is there")
	}
	from := d.lines[first.Line-1]
	if at.key == nil {
		return splice(d.text, from, d.endOfItem(first.Line, h.Column-1), ""), nil
	}
	if strings.Trim(string(d.text[from:d.offset(first)]), " ") != "" { // it stands behind a dash
		return splice(d.text, d.offset(first), d.offset(h.Content[next]), ""), nil
	}
	return splice(d.text, from, d.endOfValue(first.Line, first.Column-1), ""), nil
}

func closing(open byte) string {
	if open == '[' {
		return "]"
	}
	return "}"
}

// endOfItem is where an element of a list ends, whose dash is indented as given.
func (d *document) endOfItem(line, indent int) int {
	end := d.after(line)
	for i := line + 1; i <= len(d.lines); i++ {
		text := strings.TrimRight(string(d.text[d.lines[i-1]:d.after(i)]), "\r\n \t")
		rest := strings.TrimLeft(text, " ")
		if rest == "" {
			continue
		}
		if len(text)-len(rest) <= indent {
			break
		}
		end = d.after(i)
	}
	return end
}

// endOfFlow is where a value in one place ends; less than 0 if that can't be told.
func (d *document) endOfFlow(n *yaml.Node) int {
	from := d.offset(n)
	switch {
	case n.Style&yaml.DoubleQuotedStyle != 0:
		return endOfDouble(d.text, from)
	case n.Style&yaml.SingleQuotedStyle != 0:
		return endOfSingle(d.text, from)
	case n.Kind == yaml.ScalarNode || n.Kind == yaml.AliasNode:
		if n.Kind == yaml.ScalarNode && bytes.HasPrefix(d.text[from:], []byte(n.Value)) {
			return from + len(n.Value)
		}
		return -1
	}
	depth := 0
	for i := from; i >= 0 && i < len(d.text); i++ {
		switch d.text[i] {
		case '"':
			i = endOfDouble(d.text, i) - 1
		case '\'':
			if strings.ContainsRune(" [{,:\n", rune(d.text[max(i-1, 0)])) {
				i = endOfSingle(d.text, i) - 1
			}
		case '#':
			if i > 0 && (d.text[i-1] == ' ' || d.text[i-1] == '\n') {
				i += max(bytes.IndexByte(d.text[i:], '\n'), 0)
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
		if i < from {
			return -1
		}
	}
	return -1
}

// insertOver puts whole lines in the place of some.
func (d *document) insertOver(from, to int, text string) []byte {
	if bytes.Contains(d.text, []byte("\r\n")) {
		text = strings.ReplaceAll(text, "\n", "\r\n")
	}
	return splice(d.text, from, to, text)
}

// blockOf is a value with the keys that lead to it, in lines.
func (d *document) blockOf(rest []any, value any, indent int) string {
	for _, step := range slices.Backward(rest[1:]) {
		value = map[string]any{fmt.Sprint(step): value}
	}
	key := strings.Repeat(" ", indent) + plain(fmt.Sprint(rest[0])) + ":"
	if text, ok := value.(string); ok && !strings.Contains(text, "\n") {
		return key + " " + plain(text) + "\n"
	}
	if isMany(value) && !isEmpty(value) {
		return key + "\n" + indented(value, indent+2)
	}
	if _, text := value.(string); text {
		return indented(map[string]any{fmt.Sprint(rest[0]): value}, indent)
	}
	return key + " " + flowOf(value, false) + "\n"
}

// item is an element of a list, in lines.
func (d *document) item(value any, indent int) string {
	if isMany(value) && !isEmpty(value) {
		return strings.Repeat(" ", indent) + "- " + strings.TrimLeft(indented(value, indent+2), " ")
	}
	if text, ok := value.(string); ok {
		return strings.Repeat(" ", indent) + "- " + plain(text) + "\n"
	}
	return strings.Repeat(" ", indent) + "- " + flowOf(value, false) + "\n"
}

// indented is a map or a list in lines.
func indented(value any, indent int) string {
	var raw bytes.Buffer
	e := yaml.NewEncoder(&raw)
	e.SetIndent(2)
	if e.Encode(value) != nil || e.Close() != nil {
		return flowOf(value, false) + "\n"
	}
	var b strings.Builder
	for line := range strings.Lines(raw.String()) {
		if strings.TrimSpace(line) != "" {
			b.WriteString(strings.Repeat(" ", indent))
		}
		b.WriteString(line)
	}
	return b.String()
}

func isMany(v any) bool {
	switch v.(type) {
	case map[string]any, []any:
		return true
	}
	return false
}

func isEmpty(v any) bool {
	switch v := v.(type) {
	case map[string]any:
		return len(v) == 0
	case []any:
		return len(v) == 0
	}
	return false
}

// flowOf is a value on one line.
func flowOf(value any, quotes bool) string {
	switch v := value.(type) {
	case string:
		if quotes {
			return quoted(v)
		}
		return plain(v)
	case map[string]any:
		var parts []string
		for _, k := range slices.Sorted(maps.Keys(v)) {
			parts = append(parts, flowOf(k, quotes)+": "+flowOf(v[k], quotes))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case []any:
		var parts []string
		for _, e := range v {
			parts = append(parts, flowOf(e, quotes))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	raw, err := json.Marshal(value)
	if err != nil { // what came as JSON goes as JSON
		panic(err)
	}
	return string(raw)
}
