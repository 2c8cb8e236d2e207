package git

import (
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/storer"

	"github.com/xetys/tether/source"
	"github.com/xetys/tether/source/printable"
)

// These limits bound commit data where it enters: whoever may push chooses it freely, and
// all later code uses the bounded values.
const (
	// maxSubject, maxAuthor and maxName (of a ref) are in characters.
	maxSubject = 200
	maxAuthor  = 200
	maxName    = 200
	// maxObject is how large a commit or a tag may be. Of one that is larger, no more
	// than maxBeginning is read, and its signature is not looked at.
	maxObject = 1 << 20
)

var revertLine = regexp.MustCompile(`(?m)^This reverts commit ([0-9a-f]{40})`)

func commitOf(c *object.Commit) source.Commit {
	subject, _, _ := strings.Cut(strings.TrimSpace(c.Message), "\n")
	out := source.Commit{SHA: c.Hash.String(), Subject: printable.Line(subject, maxSubject), Time: within10k(c.Committer.When),
		Author: printable.Line(fmt.Sprintf("%s <%s>", c.Author.Name, c.Author.Email), maxAuthor)}
	if m := revertLine.FindStringSubmatch(c.Message); m != nil {
		out.Reverts = m[1]
	}
	return out
}

// The first and the last time that a commit can have. Git's own times begin in 1970;
// JSON and RFC 3339 know no year 10,000.
var (
	firstTime = time.Unix(0, 0).UTC()
	lastTime  = time.Date(9999, time.December, 31, 23, 59, 59, 0, time.UTC)
)

// within10k returns a time, or the nearest that every program can write.
func within10k(t time.Time) time.Time {
	switch t = t.UTC(); {
	case t.Before(firstTime):
		return firstTime
	case t.After(lastTime):
		return lastTime
	}
	return t
}

// readCommit reads a commit, or its beginning if it is too large: it is the one way to a
// commit, since the library reads all that there is.
func readCommit(store storer.EncodedObjectStorer, hash plumbing.Hash) (*object.Commit, error) {
	o, err := bounded(store, plumbing.CommitObject, hash)
	if err != nil {
		return nil, err
	}
	c := &object.Commit{}
	err = c.Decode(o)
	c.Hash = hash
	return c, err
}

// readTag reads a tag object as readCommit does a commit.
func readTag(store storer.EncodedObjectStorer, hash plumbing.Hash) (*object.Tag, error) {
	o, err := bounded(store, plumbing.TagObject, hash)
	if err != nil {
		return nil, err
	}
	t := &object.Tag{}
	err = t.Decode(o)
	t.Hash = hash
	return t, err
}

// bounded returns an object, or its beginning if it is larger than maxObject.
func bounded(store storer.EncodedObjectStorer, kind plumbing.ObjectType, hash plumbing.Hash) (plumbing.EncodedObject, error) {
	o, err := store.EncodedObject(kind, hash)
	if err != nil || o.Size() <= maxObject {
		return o, err
	}
	raw, err := beginningOf(store, o, hash)
	if err != nil {
		return nil, err
	}
	start := &plumbing.MemoryObject{}
	start.SetType(kind)
	_, err = start.Write(raw)
	return start, err
}

// readObject returns an object's bytes, unless they are more than maxObject.
func readObject(store storer.EncodedObjectStorer, kind plumbing.ObjectType, hash plumbing.Hash) ([]byte, error) {
	o, err := store.EncodedObject(kind, hash)
	if err != nil {
		return nil, err
	}
	if o.Size() > maxObject {
		return nil, fmt.Errorf("it has %d bytes: no more than %d are read to verify a signature", o.Size(), maxObject)
	}
	r, err := o.Reader()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}
