package printable_test

import (
	"strings"
	"testing"
	"testing/quick"
	"unicode"
	"unicode/utf8"

	"github.com/xetys/tether/source/printable"
)

func TestLine(t *testing.T) {
	for _, c := range []struct {
		name, text, want string
		limit            int
	}{
		{"stays what it is", "Bump web to v2 (#12)", "Bump web to v2 (#12)", 200},
		{"of other writings", "Größer – 更新 – بروزرسانی", "Größer – 更新 – بروزرسانی", 200},
		{"with joiners", "👩‍🚀 می\u200cخواهم", "👩‍🚀 می\u200cخواهم", 200},
		{"on one line", "  one\r\n\ttwo\u2028three\u00a0four\n", "one two three four", 200},
		{"without what a terminal obeys", "\x1b[31mred\x1b[0m \x07\x9b2J \u009b2J\x7f", "�[31mred�[0m ��2J �2J�", 200},
		{"without what turns its direction", "a\u202eb\u2066c\u200fd\u061ce", "a�b�c�d�e", 200},
		{"without what can't be seen", "a\u200bb\ufeffc\u2060d\U000e0041e", "a�b�c�d�e", 200},
		{"of UTF-8", "gr\xfc\xdfe", "gr��e", 200},
		{"as long as it may be", "äöüß", "äöüß", 4},
		{"cut", "äöüßa", "äöü…", 4},
		{"cut behind a word", "one two", "one…", 5},
		{"cut to nothing", "one", "", 0},
		{"of blanks", " \n ", "", 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := printable.Line(c.text, c.limit); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
			if !printable.Is(printable.Line(c.text, c.limit)) {
				t.Error("it can't be shown as it is")
			}
		})
	}
}

func TestALineCanAlwaysBeShown(t *testing.T) {
	err := quick.Check(func(raw []byte, limit uint8) bool {
		got := printable.Line(string(raw), int(limit))
		return utf8.ValidString(got) && utf8.RuneCountInString(got) <= int(limit) && printable.Is(got) && printable.Line(got, int(limit)) == got &&
			!strings.ContainsFunc(got, unicode.IsControl)
	}, &quick.Config{MaxCount: 5000})
	if err != nil {
		t.Error(err)
	}
}

func TestText(t *testing.T) {
	for _, c := range []struct {
		name, text, want string
		limit            int
	}{
		{"keeps lines and tabs", "one:\n\ttwo  three", "one:\n\ttwo  three", 100},
		{"without what a terminal obeys", "\x1b[2J\r\u009b2J \u202e\xff", "�[2J��2J ��", 100},
		{"as long as it may be", "äöü", "äöü", 3},
		{"cut", "äöüßabc", "äöü… (and 3 bytes more)", 4},
		{"of nothing", "", "", 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := printable.Text(c.text, c.limit); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// A line costs what is kept of it, not what there is.
func TestALongTextCostsNothing(t *testing.T) {
	long := strings.Repeat("x", 100<<20)
	if n := testing.AllocsPerRun(5, func() { printable.Line(long, 200) }); n > 12 {
		t.Errorf("%v allocations", n)
	}
}

func TestWriterKeepsLinesAndNothingElse(t *testing.T) {
	var b strings.Builder
	w := printable.Writer(&b)
	text := "a\tb\nä \x1b[2J \u202e\r\n"
	for i := range len(text) { // runes come in pieces
		if n, err := w.Write([]byte{text[i]}); n != 1 || err != nil {
			t.Fatalf("%d, %v", n, err)
		}
	}
	if want := "a\tb\nä �[2J ��\n"; b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
}
