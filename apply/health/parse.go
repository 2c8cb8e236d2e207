package health

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/google/cel-go/cel"
	"go.yaml.in/yaml/v3"
)

// maxRules bounds how many rules one file has.
const maxRules = 200

// Problem is what is wrong with a rule, and where in the file.
type Problem struct {
	Line, Column int
	Message      string
}

// String returns line:column: message.
func (p Problem) String() string { return fmt.Sprintf("%d:%d: %s", p.Line, p.Column, p.Message) }

// ReadFile reads a file that holds a list of rules, or a document with one under health. name
// is the origin that verdicts of these rules name.
func ReadFile(raw []byte, name string) (*Rules, []Problem) {
	var doc yaml.Node
	if err := yaml.Unmarshal(raw, &doc); err != nil {
		return nil, []Problem{{1, 1, err.Error()}}
	}
	if len(doc.Content) == 0 {
		return nil, nil
	}
	list := doc.Content[0]
	if list.Kind == yaml.MappingNode {
		if list = fieldOf(list, "health"); list == nil {
			return nil, []Problem{{doc.Content[0].Line, doc.Content[0].Column, "it has no health: with a list of rules"}}
		}
	}
	return Read(list, raw, name)
}

func fieldOf(m *yaml.Node, name string) *yaml.Node {
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value == name {
			return m.Content[i+1]
		}
	}
	return nil
}

// Read reads a list of rules out of a document, of which raw is the text. It returns a Problem
// for each rule that is wrong.
func Read(list *yaml.Node, raw []byte, name string) (*Rules, []Problem) {
	if list.Kind == 0 || list.Tag == "!!null" {
		return nil, nil
	}
	r := reader{lines: strings.Split(string(raw), "\n")}
	if list.Kind != yaml.SequenceNode {
		r.refuse(list, "health is a list of rules, each with a kind and expressions")
		return nil, r.problems
	}
	if len(list.Content) > maxRules {
		r.refuse(list, "health has %d rules, more than %d: use globs", len(list.Content), maxRules)
		return nil, r.problems
	}
	out := &Rules{}
	for i, n := range list.Content {
		if n.Kind == yaml.AliasNode {
			n = n.Alias
		}
		rule := r.rule(n)
		rule.name = fmt.Sprintf("rule %d of %s", i+1, name)
		out.rules = append(out.rules, rule)
	}
	return out, r.problems
}

// reader keeps what is wrong.
type reader struct {
	lines    []string
	problems []Problem
}

func (r *reader) refuse(n *yaml.Node, format string, args ...any) {
	r.problems = append(r.problems, Problem{n.Line, n.Column, fmt.Sprintf(format, args...)})
}

// fieldsOfRules are the fields of a rule, and where each goes.
var fieldsOfRules = map[string]func(*RuleSpec) *string{
	"group": func(s *RuleSpec) *string { return &s.Group }, "kind": func(s *RuleSpec) *string { return &s.Kind },
	"current": func(s *RuleSpec) *string { return &s.Current }, "inProgress": func(s *RuleSpec) *string { return &s.InProgress },
	"failed": func(s *RuleSpec) *string { return &s.Failed }, "unhealthy": func(s *RuleSpec) *string { return &s.Unhealthy },
	"held": func(s *RuleSpec) *string { return &s.Held }, "ignore": func(s *RuleSpec) *string { return &s.Ignore },
	"message": func(s *RuleSpec) *string { return &s.Message }, "grace": func(s *RuleSpec) *string { return &s.Grace },
}

// Fields are the names of a rule's fields.
func Fields() []string {
	return slices.Sorted(slices.Values(append(slices.Collect(maps.Keys(fieldsOfRules)), "apiVersion")))
}

func (r *reader) rule(n *yaml.Node) *rule {
	out := &rule{grace: TerminalGrace}
	if n.Kind != yaml.MappingNode {
		r.refuse(n, "a rule of health is a mapping with a kind and expressions")
		return out
	}
	out.spec.Group = "*"
	seen := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if value.Kind == yaml.AliasNode {
			value = value.Alias
		}
		field := fieldsOfRules[key.Value]
		switch {
		case key.Value == "apiVersion" && value.Kind == yaml.ScalarNode:
			out.spec.Group = groupOf(value.Value)
		case field == nil:
			r.refuse(key, "field %s is unknown in a rule of health: use group, kind, current, inProgress, failed, unhealthy, held, ignore, message or grace", key.Value)
		case value.Kind != yaml.ScalarNode:
			r.refuse(value, "%s of a rule of health is a text", key.Value)
		default:
			*field(&out.spec), seen[key.Value] = strings.TrimSpace(value.Value), value
		}
	}
	if group, kind, ok := strings.Cut(out.spec.Kind, "/"); ok && seen["group"] == nil {
		out.spec.Group, out.spec.Kind = group, kind
	}
	r.check(n, out, seen)
	return out
}

func groupOf(apiVersion string) string {
	group, _, ok := strings.Cut(apiVersion, "/")
	if !ok {
		return ""
	}
	return group
}

// check checks what a rule is for, and its expressions' types.
func (r *reader) check(n *yaml.Node, out *rule, seen map[string]*yaml.Node) {
	at := func(field string) *yaml.Node { return cmp.Or(seen[field], n) }
	if out.spec.Kind == "" {
		r.refuse(n, "a rule of health needs a kind: Widget, or a glob like Widget*")
	}
	for field, globs := range map[string]string{"group": out.spec.Group, "kind": out.spec.Kind} {
		if _, err := path.Match(globs, ""); err != nil {
			r.refuse(at(field), "%s %q of a rule of health: use a name, or a glob like *.example.com", field, globs)
		}
	}
	if s := out.spec.Grace; s != "" {
		d, err := time.ParseDuration(s)
		if err != nil || d < 0 {
			r.refuse(at("grace"), "grace %q of a rule of health: use a duration like 30s or 5m", s)
		}
		out.grace = d
	}
	expressions := 0
	for _, s := range steps {
		if text := s.of(&out.spec); text != "" {
			expressions++
			r.expression(s.name, at(s.name), text, cel.BoolType)
		}
	}
	if expressions == 0 {
		r.refuse(n, "a rule of health needs one of current, inProgress, failed, unhealthy, held and ignore")
	}
	if out.spec.Message != "" {
		r.expression("message", at("message"), out.spec.Message, cel.StringType)
	}
}

// expression checks one expression's type, and says where in the file it is wrong.
func (r *reader) expression(name string, n *yaml.Node, text string, want *cel.Type) {
	_, err := compile(text, want)
	if err == nil {
		return
	}
	var wrong *ExpressionError
	if !errors.As(err, &wrong) {
		r.refuse(n, "%s: %v", name, err)
		return
	}
	line, column := r.place(n, wrong.Line, wrong.Column)
	r.problems = append(r.problems, Problem{line, column, fmt.Sprintf("%s is no rule: %s", name, wrong.Message)})
}

// place finds a place of an expression in the file: YAML has taken the indentation of
// block scalars away, and folded the lines of some.
func (r *reader) place(n *yaml.Node, line, column int) (int, int) {
	switch {
	case n.Style&yaml.LiteralStyle != 0:
		at := n.Line + r.blank(n.Line) + line
		return at, r.indent(at) + column
	case n.Style&yaml.FoldedStyle != 0:
		for at := n.Line + 1 + r.blank(n.Line); at <= len(r.lines); at++ {
			length := len(strings.TrimSpace(r.lines[at-1]))
			if column <= length+1 {
				return at, r.indent(at) + column
			}
			column -= length + 1
		}
	case n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0:
		return n.Line, n.Column + column
	}
	return n.Line, n.Column + column - 1
}

// blank counts the empty lines after a line, which are trimmed off an expression.
func (r *reader) blank(line int) int {
	rest := r.lines[min(line, len(r.lines)):]
	return max(slices.IndexFunc(rest, func(l string) bool { return strings.TrimSpace(l) != "" }), 0)
}

func (r *reader) indent(line int) int {
	if line < 1 || line > len(r.lines) {
		return 0
	}
	l := r.lines[line-1]
	return len(l) - len(strings.TrimLeft(l, " "))
}
