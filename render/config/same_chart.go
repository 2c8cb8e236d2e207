package config

import "path"

// SameChart reports whether two releases are of one chart, wherever it lies by now, or of
// by the same name: one may have been renamed to the other.
func (s ReleaseSpec) SameChart(other ReleaseSpec) bool {
	if s.Remote != nil && other.Remote != nil {
		return s.Remote.Chart() == other.Remote.Chart()
	}
	return s.Chart == other.Chart || path.Base(s.Chart) == path.Base(other.Chart)
}

// Firm reports whether the release's chart stays what it is while its key does: it lies in
// the repository, or is one version of another.
func (s ReleaseSpec) Firm() bool { return s.Remote == nil || s.Remote.Exact() }

// Away reports whether the release's chart lies outside of the repository.
func (s ReleaseSpec) Away() bool { return s.Remote != nil }
