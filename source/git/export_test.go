package git

import "github.com/xetys/tether/source"

var _ source.Source = (*Repository)(nil)

// TreesRead returns how many trees were read to find heads whole.
func (r *Repository) TreesRead() int { return r.clone.trees }

// Dir returns where a repository's clone is.
func Dir(r *Repository) string { return r.opts.Dir }

// Matches reports whether a ref may stand for a full ref name.
func Matches(ref source.Ref, name string) bool { return refspec(ref).matches(name) }
