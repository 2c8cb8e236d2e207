package ledger

import (
	"fmt"
	"strings"

	"github.com/xetys/tether/source/printable"
)

// maxReason bounds a reason in bytes: it may quote what a repository holds, and
// the ledger has to be written whatever that is.
const maxReason = 4 << 10

// maxDrift bounds how many drifted fields of one release are kept.
const maxDrift = 50

// Shorten bounds a text that quotes what comes from outside, and leaves nothing in it that a
// terminal would obey.
func Shorten(text string) string { return cut(printable.Text(text, maxReason+1), maxReason) }

func cut(text string, longest int) string {
	if len(text) <= longest {
		return text
	}
	return strings.ToValidUTF8(text[:longest], "") + "… (cut off; tether validate says it all)"
}

// Bound returns the first drifted fields, and how many more there are.
func Bound(all []Drift) (first []Drift, more int) {
	if len(all) <= maxDrift {
		return all, 0
	}
	return all[:maxDrift:maxDrift], len(all) - maxDrift
}

// maxFields bounds how many fields of an object are told of.
const maxFields = 5

// JoinFirst joins the first texts, and says how many more there are.
func JoinFirst(texts []string) string {
	if n := len(texts) - maxFields; n > 0 {
		return fmt.Sprintf("%s; and %d more fields", strings.Join(texts[:maxFields], "; "), n)
	}
	return strings.Join(texts, "; ")
}
