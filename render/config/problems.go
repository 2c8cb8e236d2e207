package config

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Problem is one thing that is wrong with a config repository.
type Problem struct {
	File    string
	Line    int
	Column  int // 0 if only the line is known
	Message string

	// Cause is what the problem comes from; nil if it is not known.
	Cause error
}

// String returns file:line: message, with the column if it is known.
func (p Problem) String() string {
	if p.Line == 0 {
		return p.File + ": " + p.Message
	}
	if p.Column > 0 {
		return fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, p.Message)
	}
	return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Message)
}

// Problems is all that is wrong, one line each.
type Problems []Problem

// Error returns the problems in the order of files and lines.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps.Sorted() {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Sorted returns the problems in the order of files and lines.
func (ps Problems) Sorted() Problems {
	sorted := slices.Clone(ps)
	slices.SortStableFunc(sorted, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
	return sorted
}

// Unwrap returns what the problems come from, as far as it is known.
func (ps Problems) Unwrap() []error {
	var out []error
	for _, p := range ps {
		if p.Cause != nil {
			out = append(out, p.Cause)
		}
	}
	return out
}

// OrNil returns the problems as an error; nil if there are none.
func (ps Problems) OrNil() error {
	if len(ps) == 0 {
		return nil
	}
	return ps
}

// Cause drops the path that fs errors repeat.
func Cause(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

var (
	atLine  = regexp.MustCompile(`^line (\d+): (.*)$`)
	unknown = regexp.MustCompile(`^field (\S+) not found in type \S+$`)
)

var (
	syntaxAt = regexp.MustCompile(`^yaml: line (\d+): (.*)$`)
	ofParser = regexp.MustCompile(`^did not find expected (',' or|'-' indicator|key|node content|<)`)
)

// syntaxProblem reads the line out of what the YAML library says. Its parser,
// unlike its scanner, counts lines from zero.
func syntaxProblem(file string, err error) Problem {
	m := syntaxAt.FindStringSubmatch(err.Error())
	if m == nil {
		return Problem{File: file, Message: err.Error()}
	}
	p := Problem{File: file, Message: "is not YAML: " + m[2]}
	_, _ = fmt.Sscan(m[1], &p.Line) // it is digits
	if ofParser.MatchString(m[2]) {
		p.Line++
	}
	return p
}

func strictProblems(file string, err error) error {
	var te *yaml.TypeError
	if !errors.As(err, &te) {
		return Problems{{File: file, Message: err.Error()}}
	}
	var out Problems
	for _, text := range te.Errors {
		p := Problem{File: file, Message: text}
		if m := atLine.FindStringSubmatch(text); m != nil {
			_, _ = fmt.Sscan(m[1], &p.Line) // it is digits
			p.Message = m[2]
		}
		if m := unknown.FindStringSubmatch(p.Message); m != nil {
			p.Message = fmt.Sprintf("unknown field %q: check its spelling and its indentation", m[1])
		}
		out = append(out, p)
	}
	return out
}
