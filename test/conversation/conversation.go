// Package conversation runs the text conversations of tests: files in which a line that begins
// with ">" is an instruction, and those below it are the answer. It does not know what an
// instruction means, and nothing of who answers.
package conversation

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the conversations anew")

// Partner answers an instruction, which it gets as words.
type Partner func(t *testing.T, words []string) string

// Run holds each testdata/*.txt to what a partner answers now; with -update it writes the answers
// into the file. begin makes the partner of a file, and, if an empty line ends what was talked
// about, of what follows.
func Run(t *testing.T, begin func() Partner, emptyLineEnds bool) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			have := converse(t, string(raw), begin, emptyLineEnds)
			if *update {
				if err := os.WriteFile(file, []byte(have), 0o600); err != nil {
					t.Fatal(err)
				}
			} else if have != string(raw) {
				t.Errorf("it answers\n%s", have)
			}
		})
	}
}

// converse returns a conversation with the answers that are given now.
func converse(t *testing.T, text string, begin func() Partner, emptyLineEnds bool) string {
	partner := begin()
	var out strings.Builder
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case line == "":
			if emptyLineEnds {
				partner = begin()
			}
			fmt.Fprintln(&out)
		case strings.HasPrefix(line, "#"):
			fmt.Fprintln(&out, line)
		case strings.HasPrefix(line, ">"):
			fmt.Fprintln(&out, line)
			out.WriteString(partner(t, strings.Fields(line)[1:]))
		}
	}
	return out.String()
}
