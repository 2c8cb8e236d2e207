package main

import (
	"bytes"
	"io"
	"os"
	"regexp"
	"strings"

	"github.com/fatih/color"
	"golang.org/x/term"
)

// isTerminal reports whether what is written to w is read by a person as it comes.
func isTerminal(w io.Writer) bool {
	if l, ok := w.(*liveLine); ok { // there is none elsewhere
		return isTerminal(l.to)
	}
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// shows reports whether w shows colours: a terminal does, unless NO_COLOR says that
// nobody wants them (https://no-color.org).
func shows(w io.Writer) bool {
	return isTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// painter colours whole lines of what the tables print for people. It comes after all
// that was replaced of what a terminal would obey, and after columns were made: it adds
// colours, and changes nothing else.
type painter struct {
	to   io.Writer
	rest []byte // the beginning of a line
}

// Write implements io.Writer.
func (p *painter) Write(text []byte) (int, error) {
	p.rest = append(p.rest, text...)
	end := bytes.LastIndexByte(p.rest, '\n') + 1
	if end == 0 {
		return len(text), nil
	}
	var b strings.Builder
	for line := range strings.Lines(string(p.rest[:end])) {
		b.WriteString(paint(strings.TrimSuffix(line, "\n")))
		b.WriteByte('\n')
	}
	p.rest = append(p.rest[:0], p.rest[end:]...)
	_, err := io.WriteString(p.to, b.String())
	return len(text), err
}

// flush writes a last line that does not end.
func (p *painter) flush() error {
	_, err := io.WriteString(p.to, paint(string(p.rest)))
	p.rest = nil
	return err
}

func colour(attributes ...color.Attribute) *color.Color {
	c := color.New(attributes...)
	c.EnableColor() // whether it is to be shown is decided for each writer
	return c
}

var (
	strong = colour(color.Bold)
	good   = colour(color.FgGreen)
	bad    = colour(color.FgRed)
	notyet = colour(color.FgYellow)
	alarm  = colour(color.FgRed, color.Bold)
)

// lines are coloured as a whole.
var lines = []struct {
	pattern *regexp.Regexp
	colour  *color.Color
}{
	{regexp.MustCompile(`^! `), alarm},
	{regexp.MustCompile(`^(?:[A-Z]+(?: [A-Z]+)*(?:  +|$))+$`), strong}, // the heads of columns
	{regexp.MustCompile(`^  \+ `), good},
	{regexp.MustCompile(`^  - `), bad},
	{regexp.MustCompile(`^  [~±?⚠] `), notyet},
	{regexp.MustCompile(`^  ! `), alarm},
	{regexp.MustCompile(`^(?:drift|refused): `), notyet},
}

// words are coloured alone, where they stand for a verdict: in a column, or behind what
// has it.
var words = map[string]*color.Color{
	"applied": good, "no-op": good, "healthy": good, "valid": good,
	"failed": bad, "rolled-back": bad, "refused": bad, "not healthy": bad, "unhealthy": bad,
	"held": notyet, "progressing": notyet, "pending": notyet,
}

var (
	verdictWord = regexp.MustCompile(`(?:^|  |: |, |^[0-9a-f]{7} (?:is )?)(applied|no-op|not healthy|unhealthy|healthy|valid|failed|rolled-back|refused|held|progressing|pending)(?:  |[:,]| in |$)`)
	title       = regexp.MustCompile(`^(?:environment|release) [^:]+`)
)

// paint colours a line.
func paint(line string) string {
	for _, l := range lines {
		if l.pattern.MatchString(line) {
			return l.colour.Sprint(line)
		}
	}
	if at := verdictWord.FindStringSubmatchIndex(line); at != nil {
		word := line[at[2]:at[3]]
		return line[:at[2]] + words[word].Sprint(word) + line[at[3]:]
	}
	if at := title.FindStringIndex(line); at != nil {
		return strong.Sprint(line[:at[1]]) + line[at[1]:]
	}
	return line
}
