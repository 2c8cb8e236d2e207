package source

// Ancestor is a commit with what came before it.
type Ancestor struct {
	Revision
	// Parents are the full IDs of those that are here, the first one first.
	Parents []string
	// Cut says that there are more, which are not here.
	Cut bool
}

// History is the commits of a repository, each with what came before it. It is safe for
// concurrent use.
type History interface {
	// Commit returns a commit by its full ID; a source may take other names as well.
	Commit(id string) (*Ancestor, error)
}

// Historian is a source that has the commits before those that are followed. One that has not
// deploys as any other; who set a field can't be told of it.
type Historian interface {
	// History returns the commits as they are now: those that are fetched later may be missing.
	History() (History, error)
}
