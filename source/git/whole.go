package git

import (
	"fmt"
	"io"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/storer"

	"github.com/xetys/tether/source"
)

// resolve returns the commit that a hash stands for, and the tag object that it
// is, if it is one.
func (c *clone) resolve(hash plumbing.Hash) (*object.Commit, *object.Tag, error) {
	tag, err := readTag(c.git.Storer, hash)
	if err != nil {
		commit, err := readCommit(c.git.Storer, hash)
		return commit, nil, err
	}
	commit, err := readCommit(c.git.Storer, tag.Target)
	return commit, tag, err
}

// head returns where a ref points, if its commit and all its files are there.
func (c *clone) head(ref refspec, p pointer, trusted *signers) (source.Head, error) {
	commit, tag, err := c.resolve(p.hash)
	if err != nil && (tag == nil || tag.TargetType == plumbing.CommitObject) {
		return source.Head{}, fmt.Errorf("%w: %s at %s: %w", errDamaged, p.name, p.hash, err)
	}
	if tag != nil && tag.TargetType != plumbing.CommitObject {
		return source.Head{Err: fmt.Errorf("%s is a tag of a %s, not of a commit", p.name, tag.TargetType)}, nil
	}
	if c.whole[ref] != commit.Hash {
		if err := c.checkWhole(commit, c.whole[ref]); err != nil {
			return source.Head{}, fmt.Errorf("%w: tree of %s: %w", errDamaged, commit.Hash, err)
		}
		c.whole[ref] = commit.Hash
	}
	return source.Head{Commit: commitOf(commit), Name: p.name, Untrusted: trusted.judge(c.git.Storer, p.name, commit, tag)}, nil
}

// checkWhole finds out whether a commit's files are all there. What it shares
// with a commit that was found whole is not looked at again.
func (c *clone) checkWhole(commit *object.Commit, former plumbing.Hash) error {
	var known plumbing.Hash
	for _, other := range c.whole {
		if former.IsZero() {
			former = other
		}
	}
	if before, err := readCommit(c.git.Storer, former); err == nil {
		known = before.TreeHash
	}
	w := walk{store: c.git.Storer, whole: map[plumbing.Hash]bool{}}
	err := w.tree(commit.TreeHash, known, 0)
	c.trees += w.trees
	return err
}

// walk goes through what differs between two trees. A tree that is in several places is
// looked at once: ten folders of ten folders of ten … that are all the same are few to
// git, and more than anybody can go through.
type walk struct {
	store storer.EncodedObjectStorer
	trees int
	whole map[plumbing.Hash]bool // trees that were gone through
}

// maxNested is how deep folders are gone through: what lies deeper has no path that could
// be read, and git itself takes no deeper tree by default.
const maxNested = 2048

// tree checks a tree against one that is known to be whole, if any.
func (w *walk) tree(hash, known plumbing.Hash, depth int) error {
	if hash == known || w.whole[hash] || depth > maxNested {
		return nil
	}
	if n, err := w.store.EncodedObjectSize(hash); err == nil && n > maxTree {
		return nil // nobody reads it, nor what lies in it
	}
	t, err := object.GetTree(w.store, hash)
	if err != nil {
		if w.misshapen(hash) {
			return nil // nobody can read it, from any clone
		}
		return err
	}
	w.trees++
	same := map[string]object.TreeEntry{}
	if !known.IsZero() {
		if k, err := object.GetTree(boundedTrees{w.store}, known); err == nil {
			for _, e := range k.Entries {
				same[e.Name] = e
			}
		}
	}
	for _, e := range t.Entries {
		before := same[e.Name]
		switch {
		case e.Mode == filemode.Submodule || e.Hash == before.Hash && e.Mode == before.Mode:
		case e.Mode == filemode.Dir && before.Mode == filemode.Dir:
			err = w.tree(e.Hash, before.Hash, depth+1)
		case e.Mode == filemode.Dir:
			err = w.tree(e.Hash, plumbing.ZeroHash, depth+1)
		default:
			err = w.store.HasEncodedObject(e.Hash)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", e.Name, err)
		}
	}
	w.whole[hash] = true
	return nil
}

// misshapen reports whether an object is there as it was pushed, and so is no list of files
// that can be read: git takes some that this library does not, and checks none of them unless
// it is told to (receive.fsckObjects). That is no damage, which another clone would mend.
func (w *walk) misshapen(hash plumbing.Hash) bool {
	o, err := w.store.EncodedObject(plumbing.AnyObject, hash)
	if err != nil {
		return false
	}
	r, err := o.Reader()
	if err != nil {
		return false
	}
	defer r.Close()
	is := plumbing.NewHasher(o.Type(), o.Size())
	_, err = io.Copy(is, r)
	return err == nil && is.Sum() == hash
}
