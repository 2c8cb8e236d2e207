package drift

import (
	"fmt"
	"strings"
)

// step is one part of a path: a map's key, or a list's element.
type step struct {
	key   string // map key
	name  string // the name of a list's element, if it has one
	index int    // position in a list; -1 for a map key
}

// text prints a path as people read it.
func text(at []step) string {
	var b strings.Builder
	for i, s := range at {
		switch {
		case s.index >= 0 && s.key == "" && s.name != "":
			fmt.Fprintf(&b, "[name=%s]", s.name)
		case s.index >= 0 && s.key == "":
			fmt.Fprintf(&b, "[%d]", s.index)
		default:
			b.WriteString(keyText(s.key, i == 0))
		}
	}
	return b.String()
}

func keyText(key string, first bool) string {
	switch {
	case strings.ContainsAny(key, "./[]"):
		return fmt.Sprintf("[%q]", key)
	case first:
		return key
	}
	return "." + key
}
