package config

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"regexp/syntax"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// checker checks a decoded document and keeps what is wrong with it.
type checker struct {
	files    fs.FS
	file     string
	root     *yaml.Node
	raw      []byte
	patched  int // bytes of patches
	steps    int // of regular expressions
	problems Problems
}

func (l *checker) refuse(line int, format string, args ...any) {
	l.problems = append(l.problems, Problem{File: l.file, Line: line, Message: fmt.Sprintf(format, args...)})
}

// within resolves a path that must stay in the repository and exist.
func (l *checker) within(line int, what, name, base string) (string, bool) {
	p := path.Join(base, name)
	if rest, ok := strings.CutPrefix(name, "/"); ok {
		p = path.Clean(rest)
	}
	if !fs.ValidPath(p) {
		l.refuse(line, "%s %s leaves the repository: use a path within it", what, name)
		return "", false
	}
	if what == "chart" {
		return p, true
	}
	_, err := fs.Stat(l.files, p)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		l.refuse(line, "%s %s does not exist (looked for %s)", what, name, p)
	case err != nil:
		l.refuse(line, "%s %s (%s) can't be read: %v", what, name, p, Cause(err))
	}
	return p, err == nil
}

// duration reads a field of a release that is how long something may take.
func (l *checker) duration(line int, field, text, release string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		l.refuse(line, "%s %q of release %s: use a duration like 10m or 90s", field, text, release)
	}
	return d
}

// line finds where a field stands; the nearest parent that exists counts.
func (l *checker) line(steps ...any) int {
	node := l.root
	if node.Kind == yaml.DocumentNode && len(node.Content) > 0 {
		node = node.Content[0]
	}
	for _, s := range steps {
		next := child(node, s)
		if next == nil {
			break
		}
		node = next
	}
	return node.Line
}

func child(n *yaml.Node, at any) *yaml.Node {
	switch at := at.(type) {
	case int:
		if n.Kind == yaml.SequenceNode && at < len(n.Content) {
			return n.Content[at]
		}
	case string:
		for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == at {
				return n.Content[i+1]
			}
		}
	}
	return nil
}

// The bounds of regular expressions, in steps: those of one, and of an environment. The
// library writes counted repetitions out, each step in some forty bytes.
const (
	maxSteps    = 2_000
	maxAllSteps = 100_000
)

// pattern compiles a regular expression, whose anchors may be added, if it is no larger
// than it may be.
func (l *checker) pattern(text string) (*regexp.Regexp, error) {
	parsed, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, err
	}
	n := written(parsed)
	if l.steps = min(l.steps+n, maxAllSteps+1); n > maxSteps || l.steps > maxAllSteps {
		return nil, fmt.Errorf("with its repetitions written out it has %d steps: %d are allowed, and %d in all of an environment; count less, or use * and +", n, maxSteps, maxAllSteps)
	}
	return regexp.Compile(text)
}

// written is how long a regular expression is with its repetitions written out.
func written(re *syntax.Regexp) int {
	n := 1
	if re.Op == syntax.OpLiteral {
		n = len(re.Rune)
	}
	for _, sub := range re.Sub {
		n += written(sub)
	}
	if re.Op == syntax.OpRepeat {
		n *= max(re.Min, re.Max, 1)
	}
	return min(n, 1<<20) // repetitions of repetitions
}
