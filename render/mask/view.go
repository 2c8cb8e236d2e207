package mask

import (
	"html"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// view is a text as it stands, or what another view unfolds to, byte by byte: byte i
// stands for the bytes from[i] to to[i] of the text.
type view struct {
	bytes    []byte
	from, to []int32
}

func viewOf(text string) view {
	v := sized(len(text))
	for i := range len(text) {
		v.add(text[i], int32(i), int32(i+1))
	}
	return v
}

func sized(n int) view {
	return view{make([]byte, 0, n), make([]int32, 0, n), make([]int32, 0, n)}
}

func (v *view) add(b byte, from, to int32) {
	v.bytes, v.from, v.to = append(v.bytes, b), append(v.from, from), append(v.to, to)
}

// maxEscapes is how often what was escaped is escaped again that is still found.
const maxEscapes = 4

// unescaped returns a view and what it is without the escapes of URLs, HTML, JSON and Go:
// after each time, since a secret may look like an escape itself.
func (v view) unescaped() []view {
	out := []view{v}
	for range maxEscapes {
		next, any := v.unescapedOnce()
		if !any {
			break
		}
		out, v = append(out, next), next
	}
	return out
}

func (v view) unescapedOnce() (view, bool) {
	if !strings.ContainsAny(string(v.bytes), `%\&`) {
		return v, false
	}
	out, any := sized(len(v.bytes)), false
	for i := 0; i < len(v.bytes); {
		n, meant := escape(v.bytes[i:min(i+maxEscape, len(v.bytes))])
		if n == 0 {
			out.add(v.bytes[i], v.from[i], v.to[i])
			i++
			continue
		}
		for j := range len(meant) {
			out.add(meant[j], v.from[i], v.to[i+n-1])
		}
		i, any = i+n, true
	}
	return out, any
}

const maxEscape = 10

// escape returns how many bytes the escape has that a text begins with, and what it
// means; zero if the text begins with none.
func escape(b []byte) (n int, meant string) {
	switch b[0] {
	case '%':
		return number(b, 1, 2, 16)
	case '&':
		end := strings.IndexByte(string(b), ';')
		if end < 0 {
			return 0, ""
		}
		if meant = html.UnescapeString(string(b[:end+1])); meant == string(b[:end+1]) {
			return 0, ""
		}
		return end + 1, meant
	case '\\':
		return slashed(b)
	}
	return 0, ""
}

func slashed(b []byte) (n int, meant string) {
	if len(b) < 2 {
		return 0, ""
	}
	switch b[1] { // in another case as well: escapes are put into upper case with the rest
	case 'x', 'X':
		return number(b, 2, 2, 16)
	case 'u', 'U':
		if n, meant := number(b, 2, 8, 16); n > 0 && b[1] == 'U' {
			return n, meant
		}
		return number(b, 2, 4, 16)
	case '0', '1', '2', '3':
		return number(b, 1, 3, 8)
	case 'n', 't', 'r', 'a', 'b', 'f', 'v', 'N', 'T', 'R', 'A', 'B', 'F', 'V':
		return 2, " "
	case '"', '\'', '\\', '/', '`', '&', '%':
		return 2, string(b[1])
	}
	return 0, ""
}

// number reads a byte or a rune that is written as a number with so many digits.
func number(b []byte, at, digits, base int) (n int, meant string) {
	if len(b) < at+digits {
		return 0, ""
	}
	code, err := strconv.ParseUint(string(b[at:at+digits]), base, 32)
	switch {
	case err != nil || digits <= 3 && code > 0xff || code > unicode.MaxRune:
		return 0, ""
	case digits <= 3:
		return at + digits, string([]byte{byte(code)})
	}
	return at + digits, string(rune(code))
}

// alphabet is one that bytes are encoded with, so many bits in each symbol.
type alphabet struct {
	bits  int
	value [256]int8 // -1 for what is none of it
}

func newAlphabet(bits int, symbols ...string) *alphabet {
	a := &alphabet{bits: bits}
	for i := range a.value {
		a.value[i] = -1
	}
	for _, s := range symbols {
		for i := range len(s) {
			a.value[s[i]] = int8(i)
		}
	}
	return a
}

const upper, lower = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz"

var alphabets = []*alphabet{
	newAlphabet(6, upper+lower+"0123456789+/", upper+lower+"0123456789-_"),
	newAlphabet(5, upper+"234567", lower+"234567"),
	newAlphabet(4, "0123456789abcdef", "0123456789ABCDEF"),
}

// minDecoded is how much has to come of decoding.
const minDecoded = tellingSize

// decoded returns what a view means if its symbols are of an alphabet, however it is
// aligned: what is encoded may stand behind something else. What is no symbol does not
// count: lines may be broken anywhere.
func (v view) decoded(a *alphabet) []view {
	symbols := make([]int32, 0, len(v.bytes))
	for i, b := range v.bytes {
		if a.value[b] >= 0 {
			symbols = append(symbols, int32(i))
		}
	}
	var out []view
	for offset := 0; offset == 0 || offset*a.bits%8 != 0; offset++ {
		if size := (len(symbols) - offset) * a.bits / 8; size >= minDecoded {
			out = append(out, v.unpacked(a, symbols[offset:], size))
		}
	}
	return out
}

func (v view) unpacked(a *alphabet, symbols []int32, size int) view {
	out := sized(size)
	for k := range size {
		first, last := 8*k/a.bits, (8*k+7)/a.bits
		bits := 0
		for _, s := range symbols[first : last+1] {
			bits = bits<<a.bits | int(a.value[v.bytes[s]])
		}
		bits >>= (last+1)*a.bits - 8*(k+1)
		out.add(byte(bits), v.from[symbols[first]], v.to[symbols[last]])
	}
	return out
}

// letters are the letters and digits of a text, in lower case: what is left of it when it
// is quoted, wrapped, indented, or written in another case. Letter i stands for the bytes
// from[i] to to[i] of the text.
type letters = view

// lettersOf drops the rest of a view; places are those of the view's bytes.
func lettersOf(b []byte) letters {
	out := sized(len(b))
	for i := 0; i < len(b); {
		if b[i] < utf8.RuneSelf {
			if c := lowered(b[i]); c != 0 {
				out.add(c, int32(i), int32(i+1))
			}
			i++
			continue
		}
		r, n := utf8.DecodeRune(b[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			out.add(b[i], int32(i), int32(i+1))
		case unicode.IsLetter(r) || unicode.IsDigit(r):
			low := string(unicode.ToLower(r))
			for j := range len(low) {
				out.add(low[j], int32(i), int32(i+n))
			}
		}
		i += n
	}
	return out
}

// lowered returns an ASCII letter or digit in lower case; zero for anything else.
func lowered(b byte) byte {
	switch {
	case 'a' <= b && b <= 'z', '0' <= b && b <= '9':
		return b
	case 'A' <= b && b <= 'Z':
		return b + 'a' - 'A'
	}
	return 0
}
