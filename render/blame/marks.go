package blame

import (
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/xetys/tether/render"
	"github.com/xetys/tether/render/manifest"
)

// marker finds the line of a template that writes a field: each line of a template that
// writes YAML is given a comment with its number, and the comments are looked for in what
// is rendered. A comment changes no object; where it would (within a text), the field is
// told by the template alone.
type marker struct {
	*prober
	files []string
}

// mark is what stands behind a line of a template.
var mark = regexp.MustCompile(` #@([0-9]+)\.([0-9]+)@`)

var (
	writesKey = regexp.MustCompile(`^\s*(-\s+)*(\{\{[^}]*\}\}|[\w./"'-])+:(\s|$)`)
	writesOne = regexp.MustCompile(`^\s*-\s+\S`)
	trimsNext = regexp.MustCompile(`-\}\}\s*$`)
)

func (m *marker) run() {
	for _, name := range m.p.ChartFiles() {
		if strings.Contains("/"+name, "/templates/") && slices.Contains([]string{".yaml", ".yml", ".tpl"}, path.Ext(name)) {
			m.files = append(m.files, name)
		}
	}
	var all []int
	for i := range m.files {
		all = append(all, i)
	}
	m.take(all)
}

// take marks some files. When that can't be rendered, halves of them are.
func (m *marker) take(files []int) {
	if len(files) == 0 || m.ctx.Err() != nil {
		return
	}
	with := map[string][]byte{}
	for _, i := range files {
		with[m.files[i]] = marked(m.p.ChartFile(m.files[i]), i)
	}
	rel, err := m.render(m.ctx, m.p.Try(render.Trial{Files: with, Unpatched: true}))
	if err == nil {
		m.read(rel)
		return
	}
	if len(files) > 1 {
		m.take(files[:len(files)/2])
		m.take(files[len(files)/2:])
	}
}

// marked is a template with a comment behind each line that writes a field.
func marked(text []byte, file int) []byte {
	lines := strings.Split(string(text), "\n")
	depth, comment := 0, false
	for i, l := range lines {
		within := depth > 0 || comment
		depth += strings.Count(l, "{{") - strings.Count(l, "}}")
		comment = strings.LastIndex(l, "{{/*") > strings.LastIndex(l, "*/}}") || comment && !strings.Contains(l, "*/")
		plain := strings.TrimRight(l, " \r\t")
		if within || depth > 0 || comment || plain == "" || trimsNext.MatchString(plain) || strings.Contains(plain, " #") {
			continue
		}
		if writesKey.MatchString(plain) || writesOne.MatchString(plain) {
			lines[i] = fmt.Sprintf("%s #@%d.%d@", plain, file, i+1)
		}
	}
	return []byte(strings.Join(lines, "\n"))
}

// read takes the marks from what was rendered.
func (m *marker) read(rel *manifest.Release) {
	at := map[uint64]map[string]place{}
	for text := range strings.SplitSeq(rel.Manifest, "\n---\n") {
		m.document(text, false, at)
	}
	for _, h := range rel.Hooks {
		m.document(h.Text, true, at)
	}
	for _, l := range m.lines {
		if found, ok := at[objectKey(l.first, l.hook)][stepsText(l.steps)]; ok && l.field.Template == nil {
			l.field.Template = m.place(found)
		}
	}
}

// place is a line of a marked file.
type place struct{ file, line int }

func (m *marker) place(at place) *render.Place {
	file, of := m.p.ChartAt(m.files[at.file])
	out := &render.Place{Kind: "template", File: file, Line: at.line, Of: of}
	if file == "" {
		out.Key = m.files[at.file]
	}
	return out
}

// document finds the marks of one object. An object whose name is not known is left out.
func (m *marker) document(text string, hook bool, at map[uint64]map[string]place) {
	var root yaml.Node
	if yaml.Unmarshal([]byte(text), &root) != nil || len(root.Content) == 0 {
		return
	}
	objects, err := manifest.Parse(text, m.p.Spec().Namespace, m.Options.Namespaced)
	if err != nil || len(objects) != 1 {
		return
	}
	lines := strings.Split(text, "\n")
	found := map[string]place{}
	marksOf(root.Content[0], "", place{-1, 0}, lines, found)
	maps.DeleteFunc(found, func(_ string, p place) bool { return p.file < 0 || p.file >= len(m.files) })
	at[objectKey(objects[0].ID(), hook)] = found
}

// marksOf goes through a document. What has no mark of its own was written by the line
// that wrote what it is in.
func marksOf(n *yaml.Node, steps string, above place, lines []string, found map[string]place) {
	found[steps] = above
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			k := n.Content[i]
			marksOf(n.Content[i+1], steps+"\x00"+k.Value, markAt(lines, k.Line, above), lines, found)
		}
	case yaml.SequenceNode:
		for i, e := range n.Content {
			marksOf(e, steps+"\x00"+strconv.Itoa(i), markAt(lines, e.Line, above), lines, found)
		}
	}
}

func markAt(lines []string, line int, above place) place {
	if line < 1 || line > len(lines) {
		return above
	}
	all := mark.FindAllStringSubmatch(lines[line-1], -1)
	if len(all) == 0 {
		return above
	}
	last := all[len(all)-1]
	file, err := strconv.Atoi(last[1])
	if err != nil {
		return above
	}
	number, err := strconv.Atoi(last[2])
	if err != nil {
		return above
	}
	return place{file, number}
}

func stepsText(steps []any) string {
	var b strings.Builder
	for _, s := range steps {
		fmt.Fprintf(&b, "\x00%v", s)
	}
	return b.String()
}

// templateOf is the file that an object was rendered from.
func templateOf(p render.Inspection, source string) render.Place {
	_, name, _ := strings.Cut(source, "/")
	file, of := p.ChartAt(name)
	out := render.Place{Kind: "template", File: file, Of: of}
	if file == "" {
		out.Key = name
	}
	return out
}
