package source_test

import (
	"bytes"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xetys/tether/source"
	"github.com/xetys/tether/test/hosts"
)

// A clone begins with the newest commits, whatever it is fetched by, and goes on
// from there: nothing of it is taken for damaged, or fetched again.
func TestAClonesHistoryBeginsWithItsNewestCommits(t *testing.T) {
	r := monorepo(t, 100, 3000)
	head := r.git(r.work, "rev-parse", "HEAD")
	ancestor := func(n string) string { return r.git(r.work, "rev-parse", "HEAD~"+n) }
	recent, old := ancestor("10"), ancestor("2000")
	for name, o := range transports(t, r.bare) {
		o.Dir = filepath.Join(t.TempDir(), "clone")
		repo := newRepository(t, o)
		fetch(t, repo, head)
		if n := r.git(o.Dir, "rev-list", "--count", head); n != "1000" {
			t.Errorf("%s: %s commits are here", name, n)
		}
		if out := r.git(o.Dir, "fsck", "--full", "--strict"); strings.Contains(out, "missing") {
			t.Errorf("%s: git fsck: %s", name, out)
		}
		marker := filepath.Join(o.Dir, "marker")
		if err := os.WriteFile(marker, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		between := func(from, to string, want int) {
			t.Helper()
			got, err := repo.Between(from, to, 5000)
			if err != nil || len(got) != want || got[want-1].SHA != to {
				t.Errorf("%s: %d commits between %.7s and %.7s, %v; want %d", name, len(got), from, to, err, want)
			}
		}
		between(recent, head, 10)
		between(old, head, 1)

		// By another process, with a commit more, and after a reset to what is not here.
		repo = newRepository(t, o)
		next := r.commit("d1/s0/f1.yaml", name, "one more by "+name)
		fetch(t, repo, next)
		between(recent, next, 11)
		r.git(r.work, "reset", "-q", "--hard", old)
		r.git(r.work, "push", "-qf", "origin", "main")
		fetch(t, repo, old)
		forced := r.commit("d1/s0/f1.yaml", "forced by "+name, "forced")
		fetch(t, newRepository(t, o), forced)
		repo = newRepository(t, o)
		fetch(t, repo, forced)
		between(old, forced, 1)
		rev, err := repo.Revision(forced)
		if err != nil {
			t.Fatal(err)
		}
		if raw, err := fs.ReadFile(rev.Files, "d1/s0/f1.yaml"); err != nil || string(raw) != "forced by "+name {
			t.Errorf("%s: %q, %v", name, raw, err)
		}
		if _, err := os.Stat(marker); err != nil {
			t.Errorf("%s: the clone was made afresh", name)
		}
		r.git(r.work, "reset", "-q", "--hard", head)
		r.git(r.work, "push", "-qf", "origin", "main")
	}
}

func newRepository(t *testing.T, o source.Options) *source.Repository {
	t.Helper()
	repo, err := source.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return repo
}

// Azure DevOps answers only who can read several acknowledgements. Here it is git
// itself, behind what refuses everybody else.
func TestFollowsWhatAnswersOnlyWithMultiACK(t *testing.T) {
	r := newRemote(t)
	head := r.commit("a", "1", "one")
	git := smartHTTP(t, r.bare, "s3cret")
	site, err := hosts.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	url, stop := site.Handle(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		asked, err := io.ReadAll(req.Body)
		if err != nil || req.Method == http.MethodPost && !strings.Contains(string(asked), "multi_ack") {
			http.Error(w, "TF401035", http.StatusBadRequest)
			return
		}
		req.Body = io.NopCloser(bytes.NewReader(asked))
		git.ServeHTTP(w, req)
	}))
	defer stop()
	proxy := hosts.HTTPProxy(strings.TrimPrefix(url, "https://"))
	defer proxy.Close()
	ca, err := os.ReadFile(site.Path("ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	o := source.Options{URL: "https://dev.azure.com/repo.git", Refs: main, Proxy: proxy.URL, Auth: given(source.Auth{CA: ca, Password: "s3cret"})}
	repo := with(t, o)
	fetch(t, repo, head)
	fetch(t, repo, r.commit("a", "2", "two"))
	for n := range 70 { // more than the server is told of
		r.commit("a", strings.Repeat("x", n), "more")
	}
	fetch(t, repo, r.git(r.work, "rev-parse", "HEAD"))
	r.git(r.work, "reset", "-q", "--hard", head)
	fetch(t, repo, r.commit("a", "3", "forced"))
	o.URL = "https://example.com/repo.git"
	refuses(t, o, "the server answered 400 Bad Request", "")
}
