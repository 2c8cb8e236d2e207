package mask

import (
	_ "embed" // words.txt
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

// Words are words that may be shown to all. They are not safe for concurrent use while
// they are read.
type Words struct {
	known map[uint64]struct{} // by hash
}

// maxWords bounds how many are remembered: about 10 MB. What is not is not shown.
const maxWords = 200_000

// NewWords returns no words.
func NewWords() *Words { return &Words{known: map[uint64]struct{}{}} }

// Read takes in the words of a text.
func (w *Words) Read(text string) {
	for from, to := range wordsOf(text) {
		if len(w.known) >= maxWords {
			return
		}
		w.known[hash(text[from:to])] = struct{}{}
	}
}

func (w *Words) has(word string) bool {
	if w == nil {
		return false
	}
	_, known := w.known[hash(word)]
	return known
}

// knownWord reports whether a word may be shown.
func knownWord(word string, known []*Words) bool {
	return vocabulary().has(word) || slices.ContainsFunc(known, func(w *Words) bool { return w.has(word) })
}

// untelling is how many letters that are of no known word tell nothing.
const untelling = 3

// Plain reports whether a text is made of known words, but for a few letters.
func Plain(text string, known ...*Words) bool {
	others := 0
	text = plain(text)
	for from, to := range wordsOf(text) {
		if !knownWord(text[from:to], known) {
			others += to - from
		}
	}
	return others <= untelling
}

// Only takes out of a text all words that are not known, but for very short ones; and
// these where so many stand in a row that they tell something.
func Only(text string, known ...*Words) string {
	var hits, brief []span // brief ones since the last word that is known
	letters := 0
	for from, to := range wordsOf(text) {
		word := span{int32(from), int32(to)}
		switch {
		case knownWord(text[from:to], known):
			if to-from > untelling {
				brief, letters = nil, 0
			}
			continue
		case to-from > untelling:
			hits = append(hits, word)
			continue
		}
		brief, letters = append(brief, word), letters+to-from
		if letters >= gramSize {
			hits, brief = append(hits, brief...), nil
		}
	}
	return without(text, hits)
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
