package git_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xetys/tether/source"
	"github.com/xetys/tether/source/git"
)

func TestRefsAreReadAndMatched(t *testing.T) {
	for _, c := range []struct {
		ref, name string
		matches   bool
	}{
		{"main", "refs/heads/main", true},
		{"main", "refs/tags/main", false},
		{"main", "refs/heads/main2", false},
		{"release/1.x", "refs/heads/release/1.x", true},
		{"tag:v*", "refs/tags/v1.2.3", true},
		{"tag:v*", "refs/tags/v1", true},
		{"tag:v*", "refs/heads/v1.2.3", false},
		{"tag:v*", "refs/tags/vanilla", false},
		{"tag:v*", "refs/tags/v1.2.3-rc.1", false},
		{"tag:v*-rc.*", "refs/tags/v1.2.3-rc.1", true},
		{"tag:v1.2.3-rc.1", "refs/tags/v1.2.3-rc.1", true},
		{"tag:v1.*", "refs/tags/v2.0.0", false},
		{"tag:release-*", "refs/tags/release-1.2.3", true},
		{"tag:backend/v*", "refs/tags/backend/v1.2.3", true},
		{"tag:v*", "refs/tags/backend/v1.2.3", false},
		{"tag:*", "refs/tags/2025.1.0+build7", true},
	} {
		ref, err := git.ParseRef(c.ref)
		if err != nil || git.Matches(ref, c.name) != c.matches {
			t.Errorf("%s and %s: %t, %v; want %t", c.ref, c.name, !c.matches, err, c.matches)
		}
	}
	for _, bad := range []string{"", "tag:", "tag:v[", "a..b", "a b", "x~1", "-x:y"} {
		if ref, err := git.ParseRef(bad); err == nil {
			t.Errorf("%q is read as %s", bad, ref)
		}
	}
}

// heads fetches and returns the heads, which have to be had.
func heads(t *testing.T, repo *git.Repository) source.Heads {
	t.Helper()
	got, err := repo.Fetch(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestTheHighestTagThatMatchesIsFollowed(t *testing.T) {
	r := newRemote(t)
	first := r.commit("a", "1", "one")
	const tags = source.Ref("tag:v*")
	repo := with(t, git.Options{URL: r.bare, Refs: []source.Ref{tags, "main"}})
	if got := heads(t, repo)[tags]; got.Err == nil || !strings.Contains(got.Err.Error(), "no tag with a version matches") {
		t.Errorf("without a tag: %v", got.Err)
	}
	want := func(step, sha, name string) {
		t.Helper()
		if got := heads(t, repo)[tags]; got.SHA != sha || got.Name != "refs/tags/"+name || got.Err != nil {
			t.Errorf("%s: %s at %.7s, %v; want %s at %.7s", step, got.Name, got.SHA, got.Err, name, sha)
		}
		if last, err := repo.Last(tags); err != nil || last.SHA != sha {
			t.Errorf("%s: last is %.7s, %v", step, last.SHA, err)
		}
	}
	r.git(r.work, "tag", "v1.9.0")
	r.git(r.work, "push", "-q", "origin", "--tags")
	want("a light tag", first, "v1.9.0")
	second := r.commit("a", "2", "two")
	r.git(r.work, "tag", "-a", "-m", "ten", "v1.10.0")
	r.git(r.work, "push", "-q", "origin", "--tags")
	want("an annotated tag with a higher number", second, "v1.10.0")
	if got := heads(t, repo)["main"]; got.SHA != second {
		t.Errorf("the branch beside it: %.7s, %v", got.SHA, got.Err)
	}
	third := r.commit("a", "3", "three")
	r.git(r.work, "tag", "v2.0.0-rc.1")
	r.git(r.work, "tag", "v1.2.0")
	r.git(r.work, "push", "-q", "origin", "--tags")
	want("a pre-release and a lower number", second, "v1.10.0")
	r.git(r.work, "tag", "-f", "v1.10.0")
	r.git(r.work, "push", "-qf", "origin", "--tags")
	want("a tag that was moved", third, "v1.10.0")
	r.git(r.work, "push", "-q", "origin", ":v1.10.0")
	want("a tag that was taken back", first, "v1.9.0")
	r.git(r.work, "tag", "v3.0.0", "HEAD^{tree}")
	r.git(r.work, "push", "-q", "origin", "--tags")
	if got, err := repo.Fetch(context.Background()); err == nil && got[tags].Err == nil {
		t.Errorf("a tag of a tree: %s", got[tags].SHA)
	}
}

func TestADeletedBranchKeepsWhatWasFetched(t *testing.T) {
	r := newRemote(t)
	r.commit("a", "1", "one")
	r.git(r.work, "push", "-q", "origin", "main:prod")
	repo := with(t, git.Options{URL: r.bare, Refs: []source.Ref{"main", "prod"}})
	head := heads(t, repo)["prod"].SHA
	r.git(r.work, "push", "-q", "origin", ":prod")
	second := r.commit("a", "2", "two")
	got := heads(t, repo)
	if got["prod"].Err == nil || !strings.Contains(got["prod"].Err.Error(), "the branch does not exist") || got["main"].SHA != second {
		t.Errorf("after the deletion: %v, main at %.7s", got["prod"].Err, got["main"].SHA)
	}
	if last, err := repo.Last("prod"); err != nil || last.SHA != head {
		t.Errorf("last is %.7s, %v", last.SHA, err)
	}
}

func TestASHA256RepositoryIsRefused(t *testing.T) {
	r := newRemote(t)
	dir := filepath.Dir(r.bare)
	r.bare, r.work = filepath.Join(dir, "bare256.git"), filepath.Join(dir, "work256")
	r.git(dir, "init", "-q", "--bare", "--object-format=sha256", "--initial-branch=main", r.bare)
	r.git(dir, "init", "-q", "--object-format=sha256", "--initial-branch=main", r.work)
	r.git(r.work, "remote", "add", "origin", r.bare)
	refusesSHA256 := func(state string) {
		t.Helper()
		for name, o := range transports(t, r.bare) {
			_, err := with(t, o).Fetch(context.Background())
			if err == nil || !strings.Contains(err.Error(), "SHA-256") || strings.Contains(err.Error(), "pkt-line") {
				t.Errorf("%s over %s: %v", state, name, err)
			}
		}
	}
	r.commit("a", "1", "one")
	refusesSHA256("with a commit")
	if _, err := git.OpenLocal(r.work, "HEAD"); err == nil || !strings.Contains(err.Error(), "SHA-256") {
		t.Errorf("from the working tree: %v", err)
	}
}
