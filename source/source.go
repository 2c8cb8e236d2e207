// Package source follows one branch of one git repository: it keeps a bare clone
// on disk and gives out commits as file trees.
//
// It does not know Helm, environments or Kubernetes, and logs nothing.
package source

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/plumbing/transport/http"
	"github.com/go-git/go-git/v5/plumbing/transport/ssh"
	"github.com/go-git/go-git/v5/storage/filesystem"
	xssh "golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// Commit is what people want to know of a commit.
type Commit struct {
	// SHA is the full SHA-1.
	SHA string
	// Subject is the message's first line.
	Subject string
	// Author is "Name <mail>".
	Author string
	// Time is when it was committed, in UTC.
	Time time.Time
	// Reverts is the full SHA-1 that a line "This reverts commit …" names.
	Reverts string
}

// Revision is a commit and its files, read from git's objects: there is no
// worktree, and no symbolic link is followed.
type Revision struct {
	Commit
	Files fs.FS
}

// Auth are the credentials of a remote repository.
type Auth struct {
	// Username and Password are for https; a token is a password.
	Username, Password string
	// SSHKey is a private key in PEM, KnownHosts the text of a known_hosts file.
	SSHKey, KnownHosts []byte
}

// Options say what to follow and where to keep it.
type Options struct {
	URL, Branch string
	// Dir is where the bare clone is kept; it belongs to one process at a time.
	Dir  string
	Auth Auth
	// CA, if not empty, are the certificates (PEM) that an https server's is
	// checked against.
	CA []byte
	// Timeout bounds one fetch; five minutes if zero.
	Timeout time.Duration
}

// Repository follows one branch. It is safe for concurrent use; a fetch waits
// for reads that are under way.
type Repository struct {
	opts Options
	url  string // the form that go-git takes
	auth transport.AuthMethod

	mu    sync.RWMutex
	git   *git.Repository
	whole plumbing.Hash // the commit that was last found to be there with all its trees
}

var scpForm = regexp.MustCompile(`^[\w.-]+@[\w.-]+:`)

// New checks options and credentials; it reads and writes nothing.
func New(o Options) (*Repository, error) {
	if o.Timeout == 0 {
		o.Timeout = 5 * time.Minute
	}
	r := &Repository{opts: o, url: o.URL}
	u, err := url.Parse(o.URL)
	switch {
	case o.URL == "":
		return nil, errors.New("the repository's URL is empty")
	case scpForm.MatchString(o.URL):
		return r, r.useSSH()
	case err != nil:
		return nil, errors.New("the repository's URL can't be read; use https://…, ssh://…, file://… or a path")
	case u.User != nil && u.Scheme != "ssh":
		return nil, errors.New("the repository's URL holds credentials: give them by file instead")
	case u.Scheme == "ssh":
		return r, r.useSSH()
	case u.Scheme == "http" && o.Auth.Password != "" && !loopback(u.Hostname()):
		return nil, errors.New("the repository's URL is http, which would send the token in the clear: use https")
	case u.Scheme == "https" || u.Scheme == "http":
		r.useHTTP()
		return r, nil
	case u.Scheme == "" || u.Scheme == "file":
		r.url, err = filepath.Abs(strings.TrimPrefix(o.URL, "file://"))
		return r, err
	}
	return nil, fmt.Errorf("the repository's URL has scheme %q; use https, ssh or file", u.Scheme)
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (r *Repository) useHTTP() {
	a := r.opts.Auth
	if a.Password == "" {
		return
	}
	if a.Username == "" {
		a.Username = "x-access-token"
	}
	r.auth = &http.BasicAuth{Username: a.Username, Password: a.Password}
}

func (r *Repository) useSSH() error {
	a := r.opts.Auth
	if len(a.SSHKey) == 0 || len(a.KnownHosts) == 0 {
		return errors.New("a repository over ssh needs a private key and a known_hosts file")
	}
	at, err := transport.NewEndpoint(r.opts.URL)
	if err != nil {
		return errors.New("the repository's URL can't be read; use ssh://git@host/path or git@host:path")
	}
	user := "git"
	if at.User != "" {
		user = at.User
	}
	keys, err := ssh.NewPublicKeys(user, a.SSHKey, "")
	if err != nil {
		return errors.New("the ssh key can't be read: it must be a private key in PEM, without a passphrase")
	}
	check, algorithms, err := hostKeys(a.KnownHosts, at)
	if err != nil {
		return err
	}
	keys.HostKeyCallback = check
	r.auth = &sshAuth{PublicKeys: keys, algorithms: algorithms}
	return nil
}

// sshAuth offers the server only kinds of host key that known_hosts has: with
// any other the check would fail for a host that is known.
type sshAuth struct {
	*ssh.PublicKeys
	algorithms []string
}

// ClientConfig implements go-git's ssh.AuthMethod.
func (a *sshAuth) ClientConfig() (*xssh.ClientConfig, error) {
	c, err := a.PublicKeys.ClientConfig()
	if err == nil {
		c.HostKeyAlgorithms = a.algorithms
	}
	return c, err
}

// hostKeys returns the check of a server's key, and which kinds of key
// known_hosts has for it.
func hostKeys(text []byte, at *transport.Endpoint) (xssh.HostKeyCallback, []string, error) {
	file, err := os.CreateTemp("", "known_hosts-")
	if err != nil {
		return nil, nil, err
	}
	defer os.Remove(file.Name())
	defer file.Close()
	if _, err := file.Write(text); err != nil {
		return nil, nil, err
	}
	check, err := knownhosts.New(file.Name())
	if err != nil {
		return nil, nil, errors.New("the known_hosts file can't be read: each line is a host, a kind of key and the key, as ssh-keyscan prints it")
	}
	address := net.JoinHostPort(at.Host, strconv.Itoa(cmp.Or(at.Port, 22)))
	var known *knownhosts.KeyError
	if err := check(address, &net.TCPAddr{}, nobody{}); !errors.As(err, &known) || len(known.Want) == 0 {
		return nil, nil, fmt.Errorf("the known_hosts file has no key of %s: add what ssh-keyscan prints for it, once you have checked it", address)
	}
	var algorithms []string
	for _, k := range known.Want {
		if k.Key.Type() == xssh.KeyAlgoRSA {
			algorithms = append(algorithms, xssh.KeyAlgoRSASHA512, xssh.KeyAlgoRSASHA256)
		}
		algorithms = append(algorithms, k.Key.Type())
	}
	return check, algorithms, nil
}

// nobody is a key that no server has: asking for it, one is told all that are
// known.
type nobody struct{}

func (nobody) Type() string                         { return "nobody" }
func (nobody) Marshal() []byte                      { return []byte("nobody") }
func (nobody) Verify([]byte, *xssh.Signature) error { return errors.New("nobody signs nothing") }

// String returns the repository's URL.
func (r *Repository) String() string { return r.opts.URL }

// Fetch brings the branch's head, with its whole history, and returns it once
// its commit and tree are known to be there. A clone that is damaged is made
// afresh. On an error the last trusted head stays what it was.
func (r *Repository) Fetch(ctx context.Context) (Commit, error) {
	ctx, cancel := context.WithTimeout(ctx, r.opts.Timeout)
	defer cancel()
	r.mu.Lock()
	defer r.mu.Unlock()
	c, err := r.fetch(ctx)
	if errors.Is(err, errDamaged) {
		r.git, r.whole = nil, plumbing.ZeroHash
		if err := os.RemoveAll(r.opts.Dir); err != nil {
			return Commit{}, fmt.Errorf("clear the damaged clone: %w", err)
		}
		c, err = r.fetch(ctx)
	}
	if err != nil {
		return Commit{}, fmt.Errorf("fetch branch %s of %s: %w", r.opts.Branch, r.opts.URL, err)
	}
	if err := r.tidy(); err != nil {
		return Commit{}, fmt.Errorf("repack the clone of %s: %w", r.opts.URL, err)
	}
	return c, nil
}

// Last returns the head of the last fetch that the clone on disk knows, for when
// the repository can't be reached. It asks no server.
func (r *Repository) Last() (Commit, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.git == nil {
		repo, err := openBare(r.opts.Dir)
		if err != nil {
			return Commit{}, err
		}
		r.git = repo
	}
	return r.trusted(plumbing.NewBranchReferenceName(r.opts.Branch))
}

// maxPacks is how many packs the clone may have before it is repacked: each
// fetch adds one, and each read looks through them all.
const maxPacks = 50

// tidy puts the packs of many fetches into one.
func (r *Repository) tidy() error {
	packs, err := filepath.Glob(filepath.Join(r.opts.Dir, "objects", "pack", "*.pack"))
	if err != nil || len(packs) <= maxPacks {
		return err
	}
	if err := r.git.RepackObjects(&git.RepackConfig{}); err != nil {
		return err
	}
	r.git, err = openBare(r.opts.Dir) // the old one knows the old packs
	return err
}

var errDamaged = errors.New("the clone is damaged")

func (r *Repository) fetch(ctx context.Context) (Commit, error) {
	if r.git == nil {
		repo, err := openBare(r.opts.Dir)
		if err != nil {
			return Commit{}, fmt.Errorf("%w: %w", errDamaged, err)
		}
		r.git = repo
	}
	ref := plumbing.NewBranchReferenceName(r.opts.Branch)
	remote := git.NewRemote(r.git.Storer, &config.RemoteConfig{Name: "origin", URLs: []string{r.url}})
	err := remote.FetchContext(ctx, &git.FetchOptions{
		RefSpecs: []config.RefSpec{config.RefSpec("+" + ref + ":" + ref)},
		Auth:     r.auth, Tags: git.NoTags, Force: true, CABundle: r.opts.CA,
	})
	var none git.NoMatchingRefSpecError
	switch {
	case errors.As(err, &none):
		return Commit{}, errors.New("the branch does not exist")
	case errors.Is(err, transport.ErrEmptyRemoteRepository):
		return Commit{}, errors.New("the repository is empty: push a commit first")
	case err != nil && !errors.Is(err, git.NoErrAlreadyUpToDate):
		return Commit{}, err
	}
	return r.trusted(ref)
}

// trusted returns a ref's commit if all its trees are there.
func (r *Repository) trusted(ref plumbing.ReferenceName) (Commit, error) {
	at, err := r.git.Reference(ref, true)
	if err != nil {
		return Commit{}, fmt.Errorf("%w: %w", errDamaged, err)
	}
	c, err := r.git.CommitObject(at.Hash())
	if err != nil {
		return Commit{}, fmt.Errorf("%w: commit %s: %w", errDamaged, at.Hash(), err)
	}
	if r.whole == at.Hash() {
		return commitOf(c), nil
	}
	tree, err := c.Tree()
	if err == nil {
		walker := object.NewTreeWalker(tree, true, nil)
		defer walker.Close()
		for err == nil {
			_, _, err = walker.Next()
		}
	}
	if err != nil && err.Error() != "EOF" {
		return Commit{}, fmt.Errorf("%w: tree of %s: %w", errDamaged, at.Hash(), err)
	}
	r.whole = at.Hash()
	return commitOf(c), nil
}

// openBare opens the clone, or makes an empty one. Objects over 1 MiB are not
// kept in memory.
func openBare(dir string) (*git.Repository, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	store := filesystem.NewStorageWithOptions(osfs.New(dir), cache.NewObjectLRU(16*cache.MiByte),
		filesystem.Options{LargeObjectThreshold: 1 << 20})
	repo, err := git.Open(store, nil)
	if errors.Is(err, git.ErrRepositoryNotExists) {
		return git.Init(store, nil)
	}
	return repo, err
}

var revertLine = regexp.MustCompile(`(?m)^This reverts commit ([0-9a-f]{40})`)

func commitOf(c *object.Commit) Commit {
	subject, _, _ := strings.Cut(strings.TrimSpace(c.Message), "\n")
	out := Commit{SHA: c.Hash.String(), Subject: subject, Time: c.Committer.When.UTC(),
		Author: fmt.Sprintf("%s <%s>", c.Author.Name, c.Author.Email)}
	if m := revertLine.FindStringSubmatch(c.Message); m != nil {
		out.Reverts = m[1]
	}
	return out
}

// Revision returns a commit of what was fetched, by anything that git resolves.
func (r *Repository) Revision(rev string) (*Revision, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.git == nil {
		return nil, errors.New("the repository was not fetched yet")
	}
	return revision(r.git, &r.mu, rev)
}

func revision(repo *git.Repository, mu *sync.RWMutex, rev string) (*Revision, error) {
	hash, err := repo.ResolveRevision(plumbing.Revision(rev))
	if err != nil {
		return nil, fmt.Errorf("find revision %s: %w", rev, err)
	}
	c, err := repo.CommitObject(*hash)
	if err != nil {
		return nil, fmt.Errorf("read commit %s: %w", hash, err)
	}
	tree, err := c.Tree()
	if err != nil {
		return nil, fmt.Errorf("read the tree of %s: %w", hash, err)
	}
	return &Revision{Commit: commitOf(c), Files: &treeFS{mu: mu, tree: tree}}, nil
}

// OpenLocal returns a revision of the repository that dir lies in.
func OpenLocal(dir, rev string) (*Revision, error) {
	repo, err := git.PlainOpenWithOptions(dir, &git.PlainOpenOptions{DetectDotGit: true})
	if err != nil {
		return nil, fmt.Errorf("open the git repository at %s: %w", dir, err)
	}
	return revision(repo, &sync.RWMutex{}, rev)
}

// WorkingTree returns a folder's files as they stand. No symbolic link leads out
// of it.
func WorkingTree(dir string) (fs.FS, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return root.FS(), nil
}

// Between returns the commits after from up to to, oldest first, by first
// parents; at the most limit, of which the oldest are left out. If from is not
// among to's ancestors (a force-push), only to itself is returned.
func (r *Repository) Between(from, to string, limit int) ([]Commit, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.git == nil {
		return nil, errors.New("the repository was not fetched yet")
	}
	c, err := r.git.CommitObject(plumbing.NewHash(to))
	if err != nil {
		return nil, fmt.Errorf("read commit %s: %w", to, err)
	}
	head := commitOf(c)
	var out []Commit
	for c.Hash.String() != from {
		if len(out) < limit {
			out = append([]Commit{commitOf(c)}, out...)
		}
		if c.NumParents() == 0 {
			return []Commit{head}, nil
		}
		if c, err = c.Parent(0); err != nil {
			return nil, fmt.Errorf("read the history of %s: %w", to, err)
		}
	}
	return out, nil
}
