package fetch

// Explained is what is said of trouble on the way to a host.
func Explained(host string, err error) error { return (&connection{host: host}).explain(err) }

// Bound has a Fetcher keep less.
func (f *Fetcher) Bound(bytes int64) { f.cache.max = bytes }

// OwnService reports whether a realm is a registry's own.
var OwnService = ownService
