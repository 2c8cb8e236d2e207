package ledger

import (
	"fmt"
	"slices"
	"strings"
)

// maxNames is how many names an error lists.
const maxNames = 10

// SuggestNames says which names there are in place of one that is not.
func SuggestNames(name string, known []string) string {
	if len(known) == 0 {
		return ""
	}
	return ": it has " + instead(name, known)
}

// instead lists names, and which of them may have been meant. Of many it lists those that
// are the most alike.
func instead(name string, known []string) string {
	names := slices.Clone(known)
	slices.SortStableFunc(names, func(a, b string) int { return distance(name, a) - distance(name, b) })
	var meant []string
	for _, n := range names {
		if alike(name, n) && len(meant) < 3 {
			meant = append(meant, n)
		}
	}
	more := len(names) - maxNames
	if more > 0 {
		names = names[:maxNames]
	}
	slices.Sort(names)
	text := strings.Join(names, ", ")
	if more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	if len(meant) > 0 {
		text += "; did you mean " + strings.Join(meant, " or ") + "?"
	}
	return text
}

// alike reports whether one name may be a slip for another: it is the beginning of it, or
// few letters differ.
func alike(a, b string) bool {
	return strings.HasPrefix(a, b) || strings.HasPrefix(b, a) || distance(a, b) <= min(3, max(len(a), len(b))/2)
}

// distance is how many letters have to be added, dropped or changed to make a name of
// another (Levenshtein's).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		corner := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := corner
			if a[i] != b[j] {
				cost++
			}
			corner = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
