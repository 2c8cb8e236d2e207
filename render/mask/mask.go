// Package mask removes secret values from texts, in whatever form they appear there.
//
// It does not know where values and texts come from, nor where they go; it does no I/O.
// Texts are compared by their letters and digits only, so that quoting, wrapping, indenting
// and another case hide nothing; escaped and encoded texts are decoded first. Any part of a
// text that has eight letters in a row in common with a secret is removed.
package mask

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"math/bits"
	"slices"
	"strings"
)

// Hidden stands for what is taken out.
const Hidden = "(masked)"

const (
	// gramSize is how many letters in a row tell a secret.
	gramSize = 8
	// tellingSize is how long a shorter secret is that is looked for as a whole; one
	// that is shorter still is looked for in quotes only.
	tellingSize = 4
)

// The bounds of what is remembered of secrets: about 12 MB, where there is very much.
const (
	maxLetters = 256 << 10
	maxShort   = 1000
)

// The bounds of a text: a longer one is cut off, and one that is long is not decoded twice.
const (
	maxText    = 64 << 10
	twiceBelow = 4 << 10
)

// Mask knows secret values. It is not changed any more, and safe for concurrent use. The
// zero value and nil know none.
type Mask struct {
	strong []uint64 // runs of letters of secrets, sorted
	weak   []uint64 // those that words of the public hold as well
	filter []uint64 // bits of all of them: most of a text is none
	short  []string // what has no such run
	heads  []string // what is no letter at the beginning of secrets
	tails  []string // and at their end
	partly bool
}

// New returns a Mask of values. Names are not masked when a value equals or holds one, and
// nor are the words of Kubernetes.
func New(values []string, names *Names) *Mask {
	b := builder{names: names}
	if len(values) > 0 {
		b.public = names.public()
	}
	for _, v := range slices.Compact(slices.Sorted(slices.Values(values))) {
		b.value(v)
	}
	return b.mask()
}

// Empty reports whether there is nothing that could be masked.
func (m *Mask) Empty() bool {
	return m == nil || len(m.strong) == 0 && len(m.short) == 0 && !m.partly
}

// Partly reports whether there were more secrets than are remembered.
func (m *Mask) Partly() bool { return m != nil && m.partly }

// Union returns a Mask of all that several know.
func Union(masks ...*Mask) *Mask {
	var b builder
	for _, m := range masks {
		if m == nil {
			continue
		}
		b.strong, b.weak = append(b.strong, m.strong...), append(b.weak, m.weak...)
		b.short, b.heads, b.tails = append(b.short, m.short...), append(b.heads, m.heads...), append(b.tails, m.tails...)
		b.partly = b.partly || m.partly
	}
	return b.mask()
}

// Text takes secrets out of a text.
func (m *Mask) Text(text string) string {
	if m.Empty() {
		return text
	}
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "") + "… (cut off)"
	}
	return without(text, m.find(text))
}

// without takes parts out of a text. They may overlap, and are in any order.
func without(text string, parts []span) string {
	slices.SortFunc(parts, func(a, b span) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(b.to, a.to)) })
	var out strings.Builder
	at := int32(0)
	for i, p := range parts {
		if i == 0 || p.from > at {
			out.WriteString(text[at:p.from])
			out.WriteString(Hidden)
		}
		at = max(at, p.to)
	}
	out.WriteString(text[at:])
	return out.String()
}

// Shows reports whether a text shows a secret.
func (m *Mask) Shows(text string) bool {
	return !m.Empty() && len(m.find(text[:min(len(text), maxText)])) > 0
}

// builder collects what a Mask is made of.
type builder struct {
	Mask
	public  []uint64
	names   *Names
	letters int
}

func (b *builder) value(v string) {
	all := lettersOf([]byte(v))
	switch {
	case v == "":
		return
	case len(all.bytes) < gramSize:
		b.brief(v)
		return
	case b.letters+len(all.bytes) > maxLetters:
		b.partly = true
		return
	}
	b.letters += len(all.bytes)
	if before := len(b.strong); b.grams(all.bytes) == before {
		return // it is one of the words that everybody knows
	}
	turned := slices.Clone(all.bytes)
	slices.Reverse(turned)
	b.grams(turned)
	for _, u := range viewOf(v).unescaped()[1:] {
		b.grams(lettersOf(u.bytes).bytes)
	}
	if raw, err := base64.StdEncoding.DecodeString(v); err == nil {
		b.grams(lettersOf(raw).bytes)
	}
	b.encoded(v)
	b.edges(v)
}

// brief notes a value that has no run of letters.
func (b *builder) brief(v string) {
	if low := strings.ToLower(v); b.names.has(low) {
		return
	}
	if len(b.short) >= maxShort {
		b.partly = true
		return
	}
	b.short = append(b.short, v)
	if len(v) < tellingSize {
		b.short = append(b.short, base64.StdEncoding.EncodeToString([]byte(v)))
	}
}

// encoded notes a value as base64, wherever in what is encoded it stands: decoding finds
// it as well, but not once base64 is written in another case.
func (b *builder) encoded(v string) {
	for before := range 3 {
		text := base64.RawStdEncoding.EncodeToString(append(make([]byte, before), v...))
		from, to := 0, len(text)
		if before > 0 {
			from = before + 1 // the symbols that what stands before has a part in
		}
		if (before+len(v))%3 != 0 {
			to-- // and what stands behind
		}
		b.grams(lettersOf([]byte(text[from:to])).bytes)
	}
}

// maxEdges bounds how many different edges are remembered.
const maxEdges = 64

// edges notes what a value has before its first letter and after its last.
func (b *builder) edges(v string) {
	all := lettersOf([]byte(v))
	if head := v[:all.from[0]]; head != "" && len(b.heads) < maxEdges {
		b.heads = append(b.heads, head)
	}
	if tail := v[all.to[len(all.to)-1]:]; tail != "" && len(b.tails) < maxEdges {
		b.tails = append(b.tails, tail)
	}
}

// grams notes the runs of letters, and returns how many there are that tell.
func (b *builder) grams(letters []byte) int {
	for g := range gramsOf(letters) {
		if _, known := slices.BinarySearch(b.public, g); known {
			b.weak = append(b.weak, g)
		} else {
			b.strong = append(b.strong, g)
		}
	}
	return len(b.strong)
}

// gramsOf returns the runs of letters, each as the number that its bytes are.
func gramsOf(letters []byte) func(yield func(uint64) bool) {
	return func(yield func(uint64) bool) {
		key := uint64(0)
		for i, c := range letters {
			key = key<<8 | uint64(c)
			if i >= gramSize-1 && !yield(key) {
				return
			}
		}
	}
}

func (b *builder) mask() *Mask {
	m := b.Mask
	m.strong, m.weak = sorted(m.strong), sorted(m.weak)
	m.short, m.heads, m.tails = sorted(m.short), sorted(m.heads), sorted(m.tails)
	slots := 1 << bits.Len(uint(16*(len(m.strong)+len(m.weak))+64))
	m.filter = make([]uint64, slots/64)
	for _, g := range slices.Concat(m.strong, m.weak) {
		slot := m.slot(g)
		m.filter[slot/64] |= 1 << (slot % 64)
	}
	return &m
}

func sorted[T cmp.Ordered](all []T) []T {
	slices.Sort(all)
	return slices.Clip(slices.Compact(all))
}

func (m *Mask) slot(g uint64) uint64 {
	const golden = 0x9e3779b97f4a7c15
	return g * golden >> (64 - bits.Len(uint(64*len(m.filter)-1)))
}

// knows reports whether a run of letters is one of a secret, and whether it tells.
func (m *Mask) knows(g uint64) (known, telling bool) {
	slot := m.slot(g)
	if m.filter[slot/64]&(1<<(slot%64)) == 0 {
		return false, false
	}
	if _, telling = slices.BinarySearch(m.strong, g); telling {
		return true, true
	}
	_, known = slices.BinarySearch(m.weak, g)
	return known, false
}

// span is a part of a text.
type span struct{ from, to int32 }

// search looks for what a Mask knows in one text.
type search struct {
	*Mask
	hits []span
}

// find returns the parts of a text that show a secret.
func (m *Mask) find(text string) []span {
	s, depth := search{Mask: m}, 2
	if len(text) > twiceBelow {
		depth = 1
	}
	s.findIn(viewOf(text), depth)
	return s.hits
}

// findIn searches a view, and what it unfolds to.
func (s *search) findIn(v view, depth int) {
	for _, u := range v.unescaped() {
		s.match(u)
		v = u
	}
	if depth == 0 {
		return
	}
	for _, a := range alphabets {
		for _, d := range v.decoded(a) {
			s.findIn(d, depth-1)
		}
	}
}

// match takes down where a view has a run of a secret's letters: as long a one as there
// is, public words in it included, if it holds any that tells.
func (s *search) match(v view) {
	s.matchShort(v)
	l := lettersOf(v.bytes)
	first, tells, i := -1, false, gramSize-1
	for g := range gramsOf(l.bytes) {
		known, telling := s.knows(g)
		if !known && first >= 0 {
			s.take(v, l, first, i-1, tells)
			first, tells = -1, false
		}
		if known && first < 0 {
			first = i - gramSize + 1
		}
		tells = tells || telling
		i++
	}
	if first >= 0 {
		s.take(v, l, first, i-1, tells)
	}
}

// take takes down the letters from first to last, and what of the secret is beside them.
func (s *search) take(v view, l letters, first, last int, tells bool) {
	if !tells {
		return
	}
	from, to := int(l.from[first]), int(l.to[last])
	longestHead, longestTail := 0, 0
	for _, h := range s.heads {
		if bytes.HasSuffix(v.bytes[:from], []byte(h)) {
			longestHead = max(longestHead, len(h))
		}
	}
	for _, t := range s.tails {
		if bytes.HasPrefix(v.bytes[to:], []byte(t)) {
			longestTail = max(longestTail, len(t))
		}
	}
	s.hit(v, from-longestHead, to+longestTail)
}

func (s *search) hit(v view, from, to int) {
	s.hits = append(s.hits, span{v.from[from], v.to[to-1]})
}

// matchShort takes down where secrets stand that have no run of letters: as they are, in
// another case as a word, and if they are very short in quotes.
func (s *search) matchShort(v view) {
	if len(s.short) == 0 {
		return
	}
	folded := fold(v.bytes)
	for _, value := range s.short {
		low := fold([]byte(value))
		for at := 0; ; at++ {
			next := bytes.Index(folded[at:], low)
			if next < 0 {
				break
			}
			at += next
			if end := at + len(low); s.tells(v.bytes, at, end, value) {
				s.hit(v, at, end)
			}
		}
	}
}

// tells reports whether what stands from at to end is a short secret and not by chance a
// part of something else.
func (s *search) tells(text []byte, at, end int, value string) bool {
	before, after := byte(0), byte(0)
	if at > 0 {
		before = text[at-1]
	}
	if end < len(text) {
		after = text[end]
	}
	if len(value) < tellingSize {
		return before == after && strings.IndexByte("\"'`", before) >= 0
	}
	return string(text[at:end]) == value || lowered(before) == 0 && lowered(after) == 0
}

// fold returns a text with its ASCII letters in lower case.
func fold(text []byte) []byte {
	out := slices.Clone(text)
	for i, b := range out {
		if low := lowered(b); low != 0 {
			out[i] = low
		}
	}
	return out
}
