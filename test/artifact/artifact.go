// Package artifact is a source that is no git: a shelf of artifacts, each a whole tree of
// files under the digest of what it holds, and of tags that point to them, as a registry
// has it. Tests drive the agent by it, to prove that the agent asks for no git.
//
// It does not know environments or Kubernetes, and keeps everything in memory.
package artifact

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing/fstest"
	"time"

	"github.com/xetys/tether/source"
)

// Shelf holds artifacts. It is a source.Source that follows all of its tags, and safe for
// concurrent use.
type Shelf struct {
	mu      sync.Mutex
	follows []source.Ref
	pushed  []*source.Revision
	tags    map[source.Ref]string // digests
	seen    map[source.Ref]string // digests, as of the last fetch
}

// New returns an empty shelf of which some tags are followed.
func New(follows ...source.Ref) *Shelf {
	return &Shelf{follows: follows, tags: map[source.Ref]string{}, seen: map[source.Ref]string{}}
}

// Push puts files on the shelf under a tag, and returns their digest.
func (s *Shelf) Push(tag source.Ref, subject string, files fstest.MapFS) string {
	h := sha256.New()
	fmt.Fprintf(h, "%q", subject)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(h, "%q %q", name, files[name].Data)
	}
	id := hex.EncodeToString(h.Sum(nil))[:source.MaxID-1] // a digest is too long for a label, by two digits
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pushed = append(s.pushed, &source.Revision{Commit: source.Commit{SHA: id, Subject: subject, Author: "Ann <ann@example.com>", Time: time.Now().UTC()}, Files: files})
	s.tags[tag] = id
	return id
}

// String implements source.Source.
func (s *Shelf) String() string { return "oci://registry.example/config" }

// Fetch implements source.Source.
func (s *Shelf) Fetch(context.Context) (source.Heads, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	heads := source.Heads{}
	for _, tag := range s.follows {
		if s.tags[tag] == "" {
			heads[tag] = source.Head{Err: fmt.Errorf("%s has no tag %s", s, tag)}
			continue
		}
		s.seen[tag] = s.tags[tag]
		heads[tag] = source.Head{Commit: s.find(s.tags[tag]).Commit, Name: string(tag)}
	}
	return heads, nil
}

// Last implements source.Source.
func (s *Shelf) Last(tag source.Ref) (source.Head, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rev := s.find(s.seen[tag])
	if rev == nil {
		return source.Head{}, fmt.Errorf("tag %s of %s was never fetched", tag, s)
	}
	return source.Head{Commit: rev.Commit, Name: string(tag)}, nil
}

// Revision implements source.Source.
func (s *Shelf) Revision(id string) (*source.Revision, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if rev := s.find(id); rev != nil {
		return rev, nil
	}
	return nil, fmt.Errorf("%s has no artifact %s", s, id)
}

// Between implements source.Source: artifacts follow each other as they were pushed.
func (s *Shelf) Between(from, to string, limit int) ([]source.Commit, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := slices.IndexFunc(s.pushed, func(r *source.Revision) bool { return r.SHA == to })
	if last < 0 {
		return nil, fmt.Errorf("%s has no artifact %s", s, to)
	}
	first := slices.IndexFunc(s.pushed[:last+1], func(r *source.Revision) bool { return r.SHA == from })
	if first < 0 {
		return []source.Commit{s.pushed[last].Commit}, nil
	}
	var out []source.Commit
	for _, r := range s.pushed[max(first+1, last+1-limit) : last+1] {
		out = append(out, r.Commit)
	}
	return out, nil
}

// Matches implements source.Source: a push names the tag itself.
func (s *Shelf) Matches(tag source.Ref, pushed string) bool { return string(tag) == pushed }

// OnSilence implements source.Source: nothing is waited for.
func (s *Shelf) OnSilence(func(host string, since time.Time)) {}

func (s *Shelf) find(id string) *source.Revision {
	i := slices.IndexFunc(s.pushed, func(r *source.Revision) bool { return r.SHA == id })
	if i < 0 {
		return nil
	}
	return s.pushed[i]
}
