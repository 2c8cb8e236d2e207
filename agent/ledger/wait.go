package ledger

import (
	"context"

	"github.com/xetys/tether/apply"
)

// Wait returns when a commit has come to a verdict that decides whether it is
// live: its own, or that of the newer commit that took its place. It reads the
// ledger whenever that changes; a commit that the agent has not seen yet is waited
// for. progress is called with what is known, whenever that changes, nil for
// nothing. It returns ctx's error when that ends first.
func Wait(ctx context.Context, c *apply.Cluster, namespace, commit string, progress func(*Entry)) (*Entry, error) {
	texts, err := follow(ctx, c, namespace)
	if err != nil {
		return nil, err
	}
	for {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case text := <-texts:
			l, err := Parse(text)
			if err != nil {
				return nil, err
			}
			e := l.Decides(commit)
			if e != nil && e.Verdict.Final() {
				return e, nil
			}
			progress(e)
		}
	}
}

// Follow calls tell with the environment's newest entry, nil for none, as it is and
// whenever it changes, until ctx ends.
func Follow(ctx context.Context, c *apply.Cluster, namespace string, tell func(*Entry)) error {
	texts, err := follow(ctx, c, namespace)
	if err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case text := <-texts:
			l, err := Parse(text)
			if err != nil {
				return err
			}
			tell(l.Head())
		}
	}
}

// follow returns the ledger's text as it is, and whenever it changes; the newest one takes
// the place of one that was not taken.
func follow(ctx context.Context, c *apply.Cluster, namespace string) (<-chan string, error) {
	if _, err := c.Ping(ctx); err != nil {
		return nil, err
	}
	now, err := c.ReadDocument(ctx, Document(c.Environment, namespace)) // one that is not there is not watched either
	if err != nil {
		return nil, err
	}
	texts := make(chan string, 1)
	texts <- now.Text
	return texts, c.WatchDocument(ctx, Document(c.Environment, namespace), func(text string) {
		select {
		case <-texts: // the newest counts
		default:
		}
		texts <- text
	})
}

// Decides returns the entry that says whether a commit is live: its own, or the
// one that superseded it; nil if it is not known yet.
func (l *Ledger) Decides(commit string) *Entry {
	i := l.index(commit)
	if i < 0 {
		return nil
	}
	for ; i < len(l.Entries)-1 && l.Entries[i].Verdict == Superseded; i++ {
	}
	return &l.Entries[i]
}
