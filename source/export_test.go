package source

// TreesRead returns how many trees were read to find heads whole.
func (r *Repository) TreesRead() int { return r.trees }

// Dir returns where a repository's clone is.
func Dir(r *Repository) string { return r.opts.Dir }
