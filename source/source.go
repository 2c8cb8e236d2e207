// Package source follows branches and tags of one git repository: it keeps a bare
// clone on disk and gives out commits as file trees.
//
// It does not know Helm, environments or Kubernetes, and logs nothing.
package source

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/storer"
)

// Revision is a commit and its files, read from git's objects: there is no
// worktree, and no symbolic link is followed.
type Revision struct {
	Commit
	Files fs.FS
}

// Options say what to follow and where to keep it.
type Options struct {
	URL string
	// Refs are followed, each once.
	Refs []Ref
	// Dir is where the bare clone is kept; it belongs to one process at a time.
	Dir string
	// Auth, if set, returns the credentials. It is asked before each fetch: they
	// may change.
	Auth func() (Auth, error)
	// Trust, if set, returns the keys of which one has to have signed a head. It is
	// asked before each fetch.
	Trust func() (Trust, error)
	// Proxy is the URL of the proxy to the remote: http or https for https, socks5
	// for both https and ssh. The environment names it if this is empty.
	Proxy string
	// Timeout bounds one fetch; five minutes if zero.
	Timeout time.Duration
	// Silence is for how long the server may send nothing in the middle of a fetch; 30
	// seconds if zero.
	Silence time.Duration
}

// Repository follows refs of one repository. It is safe for concurrent use;
// reads don't wait for the network.
type Repository struct {
	opts     Options
	url      string // the form that go-git takes
	scheme   string // https, http, ssh or file
	fetching sync.Mutex
	remote   *remote                            // how to reach it, with the credentials of now; guarded by fetching
	silent   func(host string, since time.Time) // told of a server that sends nothing

	mu      sync.RWMutex
	git     *git.Repository
	whole   map[Ref]plumbing.Hash // the commits that were last found to be there with all their trees
	trees   int                   // how many trees were read to find that
	signers *signers              // nil if heads need no signature
}

var scpForm = regexp.MustCompile(`^[\w.-]+@[\w.-]+:`)

// New checks options and credentials; it reads no repository and writes nothing.
func New(o Options) (*Repository, error) {
	o.Timeout = cmp.Or(o.Timeout, 5*time.Minute)
	o.Silence = cmp.Or(o.Silence, 30*time.Second)
	r := &Repository{opts: o, url: o.URL, whole: map[Ref]plumbing.Hash{}, silent: func(string, time.Time) {}}
	if err := r.locate(); err != nil {
		return nil, err
	}
	var err error
	if r.remote, err = r.newRemote(nil); err != nil {
		return nil, err
	}
	r.signers, err = r.readTrust(nil)
	return r, err
}

// locate reads the repository's URL.
func (r *Repository) locate() error {
	u, err := url.Parse(r.url)
	switch {
	case r.url == "":
		return errors.New("the repository's URL is empty")
	case scpForm.MatchString(r.url):
		r.scheme = "ssh"
	case err != nil:
		return errors.New("the repository's URL can't be read; use https://…, ssh://…, file://… or a path")
	case u.User != nil && u.Scheme != "ssh":
		return errors.New("the repository's URL holds credentials: give them by file instead")
	case u.Scheme == "ssh", u.Scheme == "https", u.Scheme == "http":
		r.scheme = u.Scheme
	case u.Scheme == "" || u.Scheme == "file":
		r.scheme = "file"
		r.url, err = filepath.Abs(strings.TrimPrefix(r.url, "file://"))
		return err
	default:
		return fmt.Errorf("the repository's URL has scheme %q; use https, ssh or file", u.Scheme)
	}
	return nil
}

// TellSilence has tell called in the middle of a fetch when the server has sent nothing
// for some seconds, once in each fetch. It is to be called before the first one.
func TellSilence(r *Repository, tell func(host string, since time.Time)) { r.silent = tell }

// String returns the repository's URL.
func (r *Repository) String() string { return r.opts.URL }

// Revision returns a commit of what was fetched, by anything that git resolves.
func (r *Repository) Revision(rev string) (*Revision, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.git == nil {
		return nil, errors.New("the repository was not fetched yet")
	}
	return revision(func() *git.Repository { return r.git }, &r.mu, rev)
}

// revision reads a commit of the repository that open returns, now and later.
func revision(open func() *git.Repository, mu *sync.RWMutex, rev string) (*Revision, error) {
	repo, hash := open(), plumbing.NewHash(rev)
	if !plumbing.IsHash(rev) {
		found, err := repo.ResolveRevision(plumbing.Revision(rev))
		if err != nil {
			return nil, fmt.Errorf("find revision %s: %w", rev, err)
		}
		hash = *found
	}
	c, err := readCommit(repo.Storer, hash)
	if err != nil {
		return nil, fmt.Errorf("read commit %s: %w", hash, err)
	}
	files := &treeFS{mu: mu, root: c.TreeHash, store: func() storer.EncodedObjectStorer { return open().Storer }}
	return &Revision{Commit: commitOf(c), Files: files}, nil
}

// OpenLocal returns a revision of the repository that dir lies in.
func OpenLocal(dir, rev string) (*Revision, error) {
	repo, err := openLocal(dir)
	if err != nil {
		return nil, err
	}
	out, err := revision(func() *git.Repository { return repo }, &sync.RWMutex{}, rev)
	if err != nil {
		if ends, serr := repo.Storer.Shallow(); serr == nil && len(ends) > 0 {
			err = fmt.Errorf("%w; %s", err, deepen)
		}
	}
	return out, err
}

// openLocal opens the repository that a folder lies in; it may be a further working tree
// of one.
func openLocal(dir string) (*git.Repository, error) {
	repo, err := git.PlainOpenWithOptions(dir, &git.PlainOpenOptions{DetectDotGit: true, EnableDotGitCommonDir: true})
	if errors.Is(err, git.ErrRepositoryNotExists) {
		repo, err = git.PlainOpen(dir) // a bare one
	}
	if errors.Is(err, git.ErrUnknownExtension) && strings.Contains(err.Error(), "objectformat") {
		err = errSHA256
	}
	if err != nil {
		return nil, fmt.Errorf("open the git repository at %s: %w", dir, err)
	}
	return repo, nil
}

// Between returns the commits after from up to to, oldest first, by first
// parents; at the most limit, of which the oldest are left out. If from is not
// among to's first-parent ancestors that are here (a force-push), only to itself is
// returned.
func (r *Repository) Between(from, to string, limit int) ([]Commit, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.git == nil {
		return nil, errors.New("the repository was not fetched yet")
	}
	c, err := readCommit(r.git.Storer, plumbing.NewHash(to))
	if err != nil {
		return nil, fmt.Errorf("read commit %s: %w", to, err)
	}
	h, err := readHistory(r.git)
	if err != nil {
		return nil, fmt.Errorf("read the history of %s: %w", to, err)
	}
	head := commitOf(c)
	var out []Commit
	for c.Hash.String() != from {
		if len(out) < limit {
			out = append(out, commitOf(c))
		}
		if c, err = h.parent(c); err != nil {
			return nil, fmt.Errorf("read the history of %s: %w", to, err)
		}
		if c == nil {
			return []Commit{head}, nil
		}
	}
	slices.Reverse(out)
	return out, nil
}
