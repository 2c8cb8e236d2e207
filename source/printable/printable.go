// Package printable makes text from outside safe to keep and show: a commit's subject, a
// server's answer, a name that somebody chose. Control characters, and characters that hide
// text, are replaced, and long texts are cut.
//
// It does not know where a text comes from, nor where it is shown: escaping for HTML or
// Markdown is up to those who write them.
package printable

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// replaced stands for what can't be shown, as Unicode has it.
const replaced = utf8.RuneError

// Line returns a text as one line of at most limit runes. White space of any kind
// becomes one blank. Control characters, marks that turn the direction of writing,
// other invisible characters and bytes that are no UTF-8 are replaced by U+FFFD. A text
// that was cut ends in …. Only as much of a text is read as is returned.
func Line(text string, limit int) string {
	var b strings.Builder
	runes, blank := 0, false
	for len(text) > 0 && limit > 0 {
		r, size := utf8.DecodeRuneInString(text)
		text = text[size:]
		if unicode.IsSpace(r) {
			blank = runes > 0
			continue
		}
		need := 1
		if blank {
			need = 2
		}
		if runes+need > limit {
			return cut(b.String())
		}
		if blank {
			b.WriteByte(' ')
		}
		b.WriteRune(shown(r))
		runes, blank = runes+need, false
	}
	return b.String()
}

// Text returns a text of at most limit runes, and a mark of how much was cut. What Line
// replaces is replaced, but lines, tabs and blanks stay what they are. Only as much of a text is
// read as is returned.
func Text(text string, limit int) string {
	var b strings.Builder
	for runes := 0; len(text) > 0; runes++ {
		if runes == limit {
			return cut(b.String()) + fmt.Sprintf(" (and %d bytes more)", len(text))
		}
		r, size := utf8.DecodeRuneInString(text)
		text = text[size:]
		if r != '\n' && r != '\t' {
			r = shown(r)
		}
		b.WriteRune(r)
	}
	return b.String()
}

// cut has a text that is as long as it may be end in …, in its last rune's place.
func cut(text string) string {
	_, size := utf8.DecodeLastRuneInString(text)
	return strings.TrimRight(text[:len(text)-size], " ") + "…"
}

// Is reports whether a text can be shown as it is, on one line.
func Is(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool {
		return r != shown(r) || unicode.IsSpace(r) && r != ' '
	})
}

// The two joiners are invisible, and harmless: emoji and Persian are written with
// them.
const (
	nonJoiner = '\u200c'
	joiner    = '\u200d'
)

// shown returns a rune, or what stands for it.
func shown(r rune) rune {
	if unicode.Is(unicode.C, r) && r != joiner && r != nonJoiner || r == '\u2028' || r == '\u2029' {
		return replaced
	}
	return r
}

// Writer returns a writer to w for text of many lines: what Line replaces is replaced,
// but lines, tabs and blanks stay what they are.
func Writer(w io.Writer) io.Writer { return &writer{to: w} }

type writer struct {
	to   io.Writer
	rest []byte // the beginning of a rune that goes on in the next write
}

// Write writes p, as far as its last rune is whole. It says that it wrote all of p.
func (w *writer) Write(p []byte) (int, error) {
	text := append(w.rest, p...)
	out := make([]byte, 0, len(text))
	for len(text) > 0 && (utf8.FullRune(text)) {
		r, size := utf8.DecodeRune(text)
		text = text[size:]
		if r != '\n' && r != '\t' {
			r = shown(r)
		}
		out = utf8.AppendRune(out, r)
	}
	w.rest = append([]byte(nil), text...)
	if _, err := w.to.Write(out); err != nil {
		return 0, err
	}
	return len(p), nil
}
