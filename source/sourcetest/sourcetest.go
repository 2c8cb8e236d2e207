// Package sourcetest is the test that every source of commits has to pass: a new source
// calls Run from its own tests.
//
// It does not know how a source gets its commits: it is given one, and a way to publish.
package sourcetest

import (
	"io/fs"
	"slices"
	"testing"
	"testing/fstest"

	"github.com/xetys/tether/source"
)

// Publisher publishes the files of a next commit, under the ref that a Fixture follows,
// and returns the commit's ID.
type Publisher func(t *testing.T, subject string, files fstest.MapFS) string

// Fixture is a source to be tested.
type Fixture struct {
	// Source follows Ref, and Missing, which nothing is ever published under.
	source.Source
	Ref, Missing source.Ref
	Publish      Publisher
	// Reopen returns the same source as another process would find it, which has not
	// fetched yet.
	Reopen func(t *testing.T) source.Source
}

// Run tests a source.
func Run(t *testing.T, f Fixture) {
	t.Helper()
	var ids []string
	for _, text := range []string{"one", "two", "three"} {
		ids = append(ids, f.Publish(t, "Say "+text, fstest.MapFS{"say/a.txt": {Data: []byte(text)}, "b.txt": {Data: []byte("b")}}))
		head := fetch(t, f.Source)[f.Ref]
		if head.Err != nil || head.Untrusted != nil || head.SHA != ids[len(ids)-1] || head.Subject != "Say "+text || head.Time.IsZero() {
			t.Fatalf("after %s was published the head is %+v", text, head)
		}
		if len(head.SHA) > source.MaxID {
			t.Errorf("its ID has %d characters", len(head.SHA))
		}
		if short := head.Short(); len(short) != 7 || short != head.SHA[:7] {
			t.Errorf("its short ID is %q", short)
		}
	}
	t.Run("a ref that is missing is told of beside the others", func(t *testing.T) {
		if heads := fetch(t, f.Source); heads[f.Missing].Err == nil || heads[f.Ref].Err != nil {
			t.Errorf("%+v", heads)
		}
	})
	t.Run("each commit keeps its files", func(t *testing.T) { filesOf(t, f.Source, ids) })
	t.Run("what lies between two commits", func(t *testing.T) { testBetween(t, f.Source, ids) })
	t.Run("the last head is known without a fetch", func(t *testing.T) {
		if last, err := f.Reopen(t).Last(f.Ref); err != nil || last.SHA != ids[2] {
			t.Errorf("%+v, %v", last, err)
		}
	})
	t.Run("a commit that is not known", func(t *testing.T) {
		if rev, err := f.Revision("0000000000000000000000000000000000000000"); err == nil {
			t.Errorf("there is %+v", rev.Commit)
		}
	})
}

func fetch(t *testing.T, s source.Source) source.Heads {
	t.Helper()
	heads, err := s.Fetch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return heads
}

func filesOf(t *testing.T, s source.Source, ids []string) {
	for i, text := range []string{"one", "two", "three"} {
		rev, err := s.Revision(ids[i])
		if err != nil || rev.SHA != ids[i] {
			t.Fatalf("%s: %v", ids[i], err)
		}
		if raw, err := fs.ReadFile(rev.Files, "say/a.txt"); err != nil || string(raw) != text {
			t.Errorf("%s holds %q, %v", ids[i], raw, err)
		}
		if err := fstest.TestFS(rev.Files, "say/a.txt", "b.txt"); err != nil {
			t.Error(err)
		}
	}
}

func testBetween(t *testing.T, s source.Source, ids []string) {
	for name, c := range map[string]struct {
		from  string
		limit int
		want  []string
	}{
		"all of them":                {ids[0], 10, ids[1:]},
		"no more than the limit":     {ids[0], 1, ids[2:]},
		"the same commit":            {ids[2], 10, nil},
		"from one that is not known": {"ffffffffffffffffffffffffffffffffffffffff", 10, ids[2:]},
	} {
		commits, err := s.Between(c.from, ids[2], c.limit)
		var have []string
		for _, one := range commits {
			have = append(have, one.SHA)
		}
		if err != nil || !slices.Equal(have, c.want) {
			t.Errorf("%s: %v, %v, not %v", name, have, err, c.want)
		}
	}
}
