package manifest

import "path"

// Ignore names fields of objects that are left to whoever else sets them.
type Ignore struct {
	// Group and Kind are the objects' own; no Group is any.
	Group, Kind string
	// Name is a pattern as in path.Match; empty for any.
	Name string
	// Paths are JSON pointers (RFC 6901).
	Paths []string
}

// Matches reports whether the rule is about an object.
func (i Ignore) Matches(id ID) bool {
	named, err := path.Match(i.Name, id.Name)
	return i.Kind == id.Kind && (i.Group == "" || i.Group == id.Group) && (i.Name == "" || err == nil && named)
}

// IgnoredPaths are the paths of all rules that are about an object.
func IgnoredPaths(rules []Ignore, id ID) []string {
	var out []string
	for _, r := range rules {
		if r.Matches(id) {
			out = append(out, r.Paths...)
		}
	}
	return out
}
