package git_test

import (
	"bytes"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/xetys/tether/source"
	"github.com/xetys/tether/source/git"
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

func newRepository(t *testing.T, o git.Options) *git.Repository {
	t.Helper()
	repo, err := git.New(o)
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
	backend := smartHTTP(t, r.bare, "s3cret")
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
		backend.ServeHTTP(w, req)
	}))
	defer stop()
	proxy := hosts.HTTPProxy(strings.TrimPrefix(url, "https://"))
	defer proxy.Close()
	ca, err := os.ReadFile(site.Path("ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	o := git.Options{URL: "https://dev.azure.com/repo.git", Refs: main, Proxy: proxy.URL, Auth: given(git.Auth{CA: ca, Password: "s3cret"})}
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

// What lies beyond the end of a clone's history comes with as little of its own: a branch
// that is followed later, or an old tag, brings no million of objects.
func TestWhatLiesBeyondTheEndBringsAsLittle(t *testing.T) {
	r := monorepo(t, 100, 5000)
	head := r.git(r.work, "rev-parse", "HEAD")
	r.git(r.work, "checkout", "-q", "HEAD~900")
	r.git(r.work, "commit", "-qm", "side", "--allow-empty")
	r.git(r.work, "push", "-q", "origin", "HEAD:refs/heads/side", head+"~2500:refs/heads/old", head+"~2000:refs/heads/near")
	r.git(r.work, "checkout", "-q", "-B", "main", head)
	for name, o := range transports(t, r.bare) {
		o.Dir = filepath.Join(t.TempDir(), "clone")
		follow := func(refs ...source.Ref) *git.Repository {
			t.Helper()
			o.Refs = refs
			repo := newRepository(t, o)
			for ref, h := range heads(t, repo) {
				if h.Err != nil || h.SHA != r.git(r.bare, "rev-parse", string(ref)) {
					t.Errorf("%s: %s is %s, %v", name, ref, h.SHA, h.Err)
				}
			}
			return repo
		}
		count := func(rev string, want int) {
			t.Helper()
			if n := r.git(o.Dir, "rev-list", "--count", rev); n != strconv.Itoa(want) {
				t.Errorf("%s: %s commits of %s are here, want %d", name, n, rev, want)
			}
		}
		follow("main")
		follow("main", "old")
		count("old", 1000)
		count("main", 1000)
		follow("main", "side") // goes on from where the history ended
		count("side", 1000)
		count("main", 1899)
		repo := follow("main", "near") // which goes on at where another begins
		count("near", 1500)
		next := r.commit("d1/s0/f1.yaml", name, "one more by "+name)
		fetch(t, repo, next)
		count("main", 1900)
		if got, err := repo.Between(r.git(r.work, "rev-parse", head+"~1800"), next, 5000); err != nil || len(got) != 1801 {
			t.Errorf("%s: %d commits, %v", name, len(got), err)
		}
		if out := r.git(o.Dir, "fsck", "--full", "--strict"); strings.Contains(out, "missing") {
			t.Errorf("%s: git fsck: %s", name, out)
		}
		r.git(r.work, "reset", "-q", "--hard", head)
		r.git(r.work, "push", "-qf", "origin", "main")
	}
}

// A server that does not know of ends gives all there is; a clone that has some is made
// afresh, once.
func TestAServerThatKnowsNoEnds(t *testing.T) {
	r := monorepo(t, 100, 1500)
	head := r.git(r.work, "rev-parse", "HEAD")
	backend := smartHTTP(t, r.bare, "")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		asked, err := io.ReadAll(req.Body)
		if err != nil || bytes.Contains(asked, []byte("shallow ")) || bytes.Contains(asked, []byte("deepen ")) {
			http.Error(w, "what is that?", http.StatusBadRequest)
			return
		}
		req.Body = io.NopCloser(bytes.NewReader(asked))
		answer := httptest.NewRecorder()
		backend.ServeHTTP(answer, req)
		w.WriteHeader(answer.Code)
		_, _ = w.Write(bytes.Replace(answer.Body.Bytes(), []byte(" shallow "), []byte(" hollows "), 1))
	}))
	defer server.Close()
	o := git.Options{URL: r.bare, Refs: main, Dir: filepath.Join(t.TempDir(), "clone")}
	fetch(t, newRepository(t, o), head)
	o.URL = server.URL + "/repo.git"
	for range 2 {
		fetch(t, newRepository(t, o), head)
		head = r.commit("a", head, "one more")
		fetch(t, newRepository(t, o), head)
	}
	if n := r.git(o.Dir, "rev-list", "--count", head); n != "1503" {
		t.Errorf("%s commits are here", n)
	}
}
