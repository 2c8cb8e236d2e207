package source

// TreesRead returns how many trees were read to find heads whole.
func (r *Repository) TreesRead() int { return r.trees }
