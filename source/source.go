// Package source defines what a source of commits is: what the agent asks of it, and
// what it answers. source/git is the only one so far.
//
// It does not know git, Helm, environments or Kubernetes, and logs nothing.
package source

import (
	"context"
	"io/fs"
	"time"
)

// Source holds the commits of a config repository. A source is safe for concurrent use;
// only Fetch waits for a network.
//
// Commit data comes from outside: a source bounds it, and makes it fit to be shown
// (see package printable). Errors name the source and tell no credentials.
type Source interface {
	// String is the source's address, without credentials.
	String() string
	// Fetch brings the heads of all refs that are followed, with their files, and
	// returns them once they can be read. On an error all stays what it was; what is
	// wrong with a single ref is said in its Head.
	Fetch(ctx context.Context) (Heads, error)
	// Last returns a ref's head of the last fetch, of this process or an earlier one.
	Last(ref Ref) (Head, error)
	// Revision returns a commit that was fetched, by its full ID.
	Revision(id string) (*Revision, error)
	// Between returns the commits after from up to to, oldest first: limit at the
	// most, the newest of them. If from does not lead to to, or is not known, only to
	// is returned.
	Between(from, to string, limit int) ([]Commit, error)
	// Matches reports whether a push to a ref, by the name that a webhook gives it, may
	// bring a new head of a ref that is followed.
	Matches(ref Ref, pushed string) bool
	// OnSilence has tell called in the middle of a fetch when the server has sent
	// nothing for some seconds, once in each fetch. It is called before the first fetch.
	OnSilence(tell func(host string, since time.Time))
}

// Ref names what an environment follows. Only its source knows what it means: to
// source/git it is a branch, or tag: and a pattern.
type Ref string

// MaxID is how long a commit's ID may be: Helm's records have it as a label.
const MaxID = 63

// Commit is what people want to know of a commit: values that can be kept, encoded and
// shown anywhere, whatever the commit says.
type Commit struct {
	// SHA is the commit's full ID, in hex: to source/git its SHA-1. It has no more than
	// MaxID characters.
	SHA string
	// Subject is the message's first line, on one line that can be shown; it is cut
	// behind 200 characters.
	Subject string
	// Author is "Name <mail>", within the same bounds.
	Author string
	// Time is when it was committed, in UTC: between 1970 and 9999.
	Time time.Time
	// Reverts is the full ID of the commit that this one says to revert; empty if it
	// names none.
	Reverts string
}

// Short returns the ID as people write it: its first seven characters.
func (c Commit) Short() string { return c.SHA[:min(7, len(c.SHA))] }

// Revision is a commit and its files. There is no worktree, and no symbolic link is
// followed. Files may have a method Hash(path string) (string, error) that names what a
// file or a folder holds: what did not change is not read again then.
type Revision struct {
	Commit
	Files fs.FS
}

// Head is where a ref that is followed points.
type Head struct {
	Commit
	// Name is the full name that the ref stands for, such as refs/tags/v1.2.0.
	Name string
	// Untrusted, if set, says why the head is not to be deployed: nobody signed it
	// who is trusted.
	Untrusted error
	// Err, if set, says why there is no head.
	Err error
}

// Heads are the heads of all refs that are followed.
type Heads map[Ref]Head
