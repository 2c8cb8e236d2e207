package main

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
)

var colours = regexp.MustCompile("\x1b\\[[0-9;]*m")

func TestLinesAreColouredByWhatTheySay(t *testing.T) {
	for line, want := range map[string]string{
		"! no agent leads prod":                                      "<no agent",
		"ENVIRONMENT  HEAD     BEHIND SINCE  WHY":                    "<ENVIRONMENT",
		"prod         aaaaaaa  held     -":                           "  <held>  ",
		"web      web-1.0.0  v1  deployed  not healthy: it crashes":  "<not healthy>: it",
		"head        bbbbbbb Second (Ann): rolled-back: web crashes": ": <rolled-back>: web",
		"environment prod: valid, 3 releases":                        ": <valid>, 3",
		"  + ConfigMap prod/web":                                     "<  + ConfigMap",
		"  - ConfigMap prod/web":                                     "<  - ConfigMap",
		"1234567 applied in prod: Bump web":                          "1234567 <applied> in",
		"release prod/web: upgrade, its inputs changed":              "<release prod/web>: upgrade",
		"prod  aaaaaaa  a commit that says it has failed  -":         "says it has failed",
		"      data.a: 1 -> 2":                                       "data.a: 1 -> 2",
	} {
		have := paint(line)
		if plain := colours.ReplaceAllString(have, ""); plain != line {
			t.Errorf("%q becomes %q", line, plain)
		}
		marked := strings.ReplaceAll(colours.ReplaceAllStringFunc(have, func(code string) string {
			if strings.HasPrefix(code, "\x1b[0") || strings.HasPrefix(code, "\x1b[22") {
				return ">"
			}
			return "<"
		}), "<! ", "<")
		if !strings.Contains(marked, want) || !strings.Contains(want, "<") && strings.Contains(marked, "<") {
			t.Errorf("%q is coloured %q, want %q", line, marked, want)
		}
	}
}

// However a text comes in, its lines come out whole; and where it is no terminal, nothing
// is added.
func TestWhatIsPipedIsPlain(t *testing.T) {
	var out bytes.Buffer
	p := &painter{to: &out}
	for _, part := range []string{"! no ag", "ent\nplain\n! and", " no end"} {
		if _, err := p.Write([]byte(part)); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.flush(); err != nil || colours.ReplaceAllString(out.String(), "") != "! no agent\nplain\n! and no end" || !colours.MatchString(out.String()) {
		t.Errorf("%q, %v", out.String(), err)
	}
	if shows(&out) || isTerminal(&out) {
		t.Error("a buffer is no terminal")
	}
}
