package fetch

// Bound has a Fetcher keep less.
func (f *Fetcher) Bound(bytes int64) { f.cache.max = bytes }
