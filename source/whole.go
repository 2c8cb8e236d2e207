package source

import (
	"fmt"
	"io"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/storer"
)

// resolve returns the commit that a hash stands for, and the tag object that it
// is, if it is one.
func (r *Repository) resolve(hash plumbing.Hash) (*object.Commit, *object.Tag, error) {
	tag, err := readTag(r.git.Storer, hash)
	if err != nil {
		c, err := readCommit(r.git.Storer, hash)
		return c, nil, err
	}
	c, err := readCommit(r.git.Storer, tag.Target)
	return c, tag, err
}

// head returns where a ref points, if its commit and all its files are there.
func (r *Repository) head(ref Ref, p pointer) (Head, error) {
	c, tag, err := r.resolve(p.hash)
	if err != nil && (tag == nil || tag.TargetType == plumbing.CommitObject) {
		return Head{}, fmt.Errorf("%w: %s at %s: %w", errDamaged, p.name, p.hash, err)
	}
	if tag != nil && tag.TargetType != plumbing.CommitObject {
		return Head{Err: fmt.Errorf("%s is a tag of a %s, not of a commit", p.name, tag.TargetType)}, nil
	}
	if r.whole[ref] != c.Hash {
		if err := r.checkWhole(c, r.whole[ref]); err != nil {
			return Head{}, fmt.Errorf("%w: tree of %s: %w", errDamaged, c.Hash, err)
		}
		r.whole[ref] = c.Hash
	}
	return Head{Commit: commitOf(c), Name: p.name, Untrusted: r.signers.judge(r.git.Storer, p.name, c, tag)}, nil
}

// checkWhole finds out whether a commit's files are all there. What it shares
// with a commit that was found whole is not looked at again.
func (r *Repository) checkWhole(c *object.Commit, former plumbing.Hash) error {
	var known plumbing.Hash
	for _, other := range r.whole {
		if former.IsZero() {
			former = other
		}
	}
	if before, err := readCommit(r.git.Storer, former); err == nil {
		known = before.TreeHash
	}
	w := walk{store: r.git.Storer, whole: map[plumbing.Hash]bool{}}
	err := w.tree(c.TreeHash, known, 0)
	r.trees += w.trees
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
