package mask

import (
	_ "embed" // words.txt
	"iter"
	"math/bits"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// words.txt holds the words of Kubernetes' kinds, fields and reasons, and of what API
// servers, kubelets, Helm, template and schema engines and Tether itself say.
//
//go:embed words.txt
var words string

// shortWords are those that words.txt leaves out.
const shortWords = `a all an and any are as at be bad but by can did do end for get got had has how if in int is it its job
key log map may new nil no not of off old on one or out own pod put run set so the tls to too two url use was who why yes`

// vocabulary is what words.txt holds, and short words.
var vocabulary = sync.OnceValue(func() *Words {
	w := NewWords()
	w.Read(words)
	w.Read(shortWords)
	return w
})

// vocabularyGrams are the runs of letters of the vocabulary, sorted.
var vocabularyGrams = sync.OnceValue(func() []uint64 { return sorted(gramsOfWords(strings.Fields(words))) })

func gramsOfWords(all []string) []uint64 {
	var out []uint64
	for _, w := range all {
		for g := range gramsOf(lettersOf([]byte(w)).bytes) {
			out = append(out, g)
		}
	}
	return out
}

// Names are what is known to all, beside the vocabulary. They are safe for concurrent use;
// nil is none.
type Names struct {
	all   []string // sorted, in lower case
	grams func() []uint64
}

// NewNames returns names.
func NewNames(all ...string) *Names {
	n := &Names{}
	for _, name := range all {
		n.all = append(n.all, strings.ToLower(name))
	}
	n.all = sorted(n.all)
	n.grams = sync.OnceValue(func() []uint64 { return sorted(slices.Concat(vocabularyGrams(), gramsOfWords(n.all))) })
	return n
}

// Text lists the names.
func (n *Names) Text() string {
	if n == nil {
		return ""
	}
	return strings.Join(n.all, " ")
}

// public are the runs of letters that names and the vocabulary hold, sorted.
func (n *Names) public() []uint64 {
	if n == nil {
		return vocabularyGrams()
	}
	return n.grams()
}

// has reports whether a text in lower case is a name, or a word of the vocabulary.
func (n *Names) has(text string) bool {
	if n != nil {
		if _, known := slices.BinarySearch(n.all, text); known {
			return true
		}
	}
	return vocabulary().has(text)
}

// Words are words that may be shown to all, and which brief ones stand beside which words.
// They are not safe for concurrent use while they are read.
type Words struct {
	known map[uint64]struct{} // by hash
	pairs map[uint64]struct{} // of a word and the next one, where one of them is brief
}

// maxWords bounds how many words and how many pairs are remembered: about 10 MB each. What is
// not is not shown.
const maxWords = 200_000

// NewWords returns no words.
func NewWords() *Words {
	return &Words{known: map[uint64]struct{}{}, pairs: map[uint64]struct{}{}}
}

// Read takes in the words of a text, in their order.
func (w *Words) Read(text string) {
	before := ""
	for from, to := range wordsOf(text) {
		if len(w.known) >= maxWords {
			return
		}
		word := text[from:to]
		w.known[hash(word)] = struct{}{}
		if before != "" && (brief(before) || brief(word)) && len(w.pairs) < maxWords {
			w.pairs[pair(before, word)] = struct{}{}
		}
		before = word
	}
}

func (w *Words) has(word string) bool {
	if w == nil {
		return false
	}
	_, known := w.known[hash(word)]
	return known
}

// hasPair reports whether a word was read right behind another.
func (w *Words) hasPair(before, word string) bool {
	if w == nil {
		return false
	}
	_, known := w.pairs[pair(before, word)]
	return known
}

// pair is a hash of two words in their order.
func pair(before, word string) uint64 { return bits.RotateLeft64(hash(before), 1) ^ hash(word) }

// brief reports whether a word is so short that it tells nothing by itself.
func brief(word string) bool { return len(word) <= untelling }

// knownWord reports whether a word may be shown.
func knownWord(word string, known []*Words) bool {
	return vocabulary().has(word) || slices.ContainsFunc(known, func(w *Words) bool { return w.has(word) })
}

// untelling is how many letters that are of no known word tell nothing.
const untelling = 3

// Plain reports whether a text is made of known words, but for a few letters. Brief words that
// stand where no known text has them count, if there are many: a text that was taken apart
// letter by letter is made of words that every chart knows.
func Plain(text string, known ...*Words) bool {
	others, loose := 0, 0
	text = plain(text)
	words := slices.Collect(spansOf(text))
	for i, w := range words {
		word := text[w.from:w.to]
		if !knownWord(word, known) {
			others += len(word)
		} else if brief(word) && !ofLanguage(word) && !placed(text, words, i, known) {
			loose += len(word)
		}
	}
	return others <= untelling && loose < gramSize
}

// Only takes out of a text all words that are not known, but for brief ones; and these, known
// or not, where so many of them stand where no known text has them that they tell something.
// A chart's files, with lines and columns, are left.
func Only(text string, known ...*Words) string {
	var hits, short []span
	loose := 0
	files, numbers := positions(text)
	words := slices.Collect(spansOf(text))
	for i, w := range words {
		word := text[w.from:w.to]
		switch {
		case !brief(word):
			if !knownWord(word, known) {
				hits = append(hits, w)
			}
		case ofLanguage(word) || slices.Contains(numbers, w):
		case !placed(text, words, i, known):
			short, loose = append(short, w), loose+len(word)
		case !slices.ContainsFunc(files, func(f span) bool { return f.from <= w.from && w.to <= f.to }):
			short = append(short, w)
		}
	}
	if loose >= gramSize {
		hits = append(hits, joined(text, short)...)
	}
	return without(text, hits)
}

// ofLanguage reports whether a word is of the vocabulary, and not a letter of anything.
func ofLanguage(word string) bool { return len(word) > 1 && vocabulary().has(word) }

// placed reports whether a brief word stands beside another one as it does in a known text; a
// single letter, whether it stands between the same two.
func placed(text string, words []span, i int, known []*Words) bool {
	at := func(i int) string { return text[words[i].from:words[i].to] }
	first, last := i == 0, i == len(words)-1
	return slices.ContainsFunc(known, func(w *Words) bool {
		before := !first && w.hasPair(at(i-1), at(i))
		behind := !last && w.hasPair(at(i), at(i+1))
		if len(at(i)) == 1 {
			return (before || first) && (behind || last)
		}
		return before || behind
	})
}

// position is a file of a chart, with a line and a column.
var position = regexp.MustCompile(`([\w./-]+\.(?:yaml|yml|tpl|txt|json)):(\d+)(?::(\d+))?`)

// positions returns where files stand in a text that are named with a line, and the numbers of
// lines and columns.
func positions(text string) (files, numbers []span) {
	for _, m := range position.FindAllStringSubmatchIndex(text, -1) {
		files, numbers = append(files, span{int32(m[2]), int32(m[3])}), append(numbers, span{int32(m[4]), int32(m[5])})
		if m[6] >= 0 {
			numbers = append(numbers, span{int32(m[6]), int32(m[7])})
		}
	}
	return files, numbers
}

// joined makes one of words between which no other stands.
func joined(text string, words []span) []span {
	var out []span
	for _, w := range words {
		if n := len(out); n > 0 && wordless(text[out[n-1].to:w.from]) {
			out[n-1].to = w.to
		} else {
			out = append(out, w)
		}
	}
	return out
}

func wordless(text string) bool {
	for range wordsOf(text) {
		return false
	}
	return true
}

// spansOf returns where the words of a text are.
func spansOf(text string) iter.Seq[span] {
	return func(yield func(span) bool) {
		for from, to := range wordsOf(text) {
			if !yield(span{int32(from), int32(to)}) {
				return
			}
		}
	}
}

// plain is a text without escapes.
func plain(text string) string {
	all := viewOf(text).unescaped()
	return string(all[len(all)-1].bytes)
}

// wordsOf returns where the words of a text are: runs of letters and digits.
func wordsOf(text string) func(yield func(from, to int) bool) {
	return func(yield func(from, to int) bool) {
		from := -1
		for i, r := range text {
			part := r < utf8.RuneSelf && lowered(byte(r)) != 0 || r >= utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsDigit(r))
			if part && from < 0 {
				from = i
			}
			if !part && from >= 0 {
				if !yield(from, i) {
					return
				}
				from = -1
			}
		}
		if from >= 0 {
			yield(from, len(text))
		}
	}
}

// hash is FNV-1a of a word in lower case.
func hash(word string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(word) {
		b := word[i]
		if low := lowered(b); low != 0 {
			b = low
		}
		h = (h ^ uint64(b)) * 1099511628211
	}
	return h
}
