package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/storer"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/storage/memory"
	"github.com/hiddeco/sshsig"
	xssh "golang.org/x/crypto/ssh"

	"github.com/xetys/tether/source"
)

// Committer says in whose name commits are made, and with which key they are signed.
type Committer struct {
	Name, Email string
	// SSHKey is a private key in PEM without a passphrase; without one nothing is signed.
	SSHKey []byte
}

var errSigningKey = errors.New("the key to sign commits with can't be read: it must be a private ssh key in PEM, without a passphrase")

// Check returns what is wrong with the key.
func (c *Committer) Check() error {
	if len(c.SSHKey) == 0 {
		return nil
	}
	if _, err := xssh.ParsePrivateKey(c.SSHKey); err != nil {
		return errSigningKey
	}
	return nil
}

// Push implements source.Pusher. Where heads have to be signed, a commit on a branch that is
// followed is pushed only if it would be trusted. The credentials have to be allowed to push.
func (r *Repository) Push(ctx context.Context, p source.Proposal) (string, error) {
	if r.opts.Committer == nil {
		return "", errors.New("nothing is pushed by this process")
	}
	if _, isTag := refspec(p.Ref).pattern(); isTag {
		return "", fmt.Errorf("the environment follows %s, to which no commit can be pushed: let it follow a branch", refspec(p.Ref))
	}
	r.fetching.Lock()
	defer r.fetching.Unlock()
	ctx, cancel := context.WithTimeoutCause(ctx, r.opts.Timeout, fmt.Errorf("it was not done within %s: %w", r.opts.Timeout, context.DeadlineExceeded))
	defer cancel()
	made, err := r.commit(p)
	if err == nil {
		err = r.deliver(ctx, p, made)
	}
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return "", fmt.Errorf("push to %s: %w", r.opts.URL, err)
	}
	return made.hash.String(), nil
}

// made is a commit with what is new in it.
type made struct {
	*memory.Storage
	hash plumbing.Hash
	all  []plumbing.Hash
}

func (m *made) put(kind plumbing.ObjectType, encode func(plumbing.EncodedObject) error) (plumbing.Hash, error) {
	o := m.NewEncodedObject()
	o.SetType(kind)
	if err := encode(o); err != nil {
		return plumbing.ZeroHash, err
	}
	hash, err := m.SetEncodedObject(o)
	m.all = append(m.all, hash)
	return hash, err
}

// commit makes the commit in memory.
func (r *Repository) commit(p source.Proposal) (*made, error) {
	if err := r.refresh(); err != nil {
		return nil, err
	}
	r.clone.mu.RLock()
	defer r.clone.mu.RUnlock()
	base, err := readCommit(r.clone.git.Storer, plumbing.NewHash(p.Base))
	if err != nil {
		return nil, fmt.Errorf("read commit %s: %w", p.Base, err)
	}
	m := &made{Storage: memory.NewStorage()}
	files := map[string][]byte{}
	for name, text := range p.Files {
		files[name] = text
	}
	tree, err := m.tree(r.clone.git.Storer, base.TreeHash, "", files)
	if err != nil {
		return nil, err
	}
	who := object.Signature{Name: r.opts.Committer.Name, Email: r.opts.Committer.Email, When: p.Time.UTC()}
	c := &object.Commit{Author: who, Committer: who, Message: p.Message, TreeHash: tree, ParentHashes: []plumbing.Hash{base.Hash}}
	if err := r.sign(c, p); err != nil {
		return nil, err
	}
	m.hash, err = m.put(plumbing.CommitObject, c.Encode)
	return m, err
}

// sign signs a commit, and holds it to what heads are held to.
func (r *Repository) sign(c *object.Commit, p source.Proposal) error {
	unsigned := &plumbing.MemoryObject{}
	if err := c.EncodeWithoutSignature(unsigned); err != nil {
		return err
	}
	payload, err := contentOf(unsigned)
	if err != nil {
		return err
	}
	if key := r.opts.Committer.SSHKey; len(key) > 0 {
		signer, err := xssh.ParsePrivateKey(key)
		if err != nil {
			return errSigningKey
		}
		s, err := sshsig.Sign(bytes.NewReader(payload), signer, sshsig.HashSHA512, gitNamespace)
		if err != nil {
			return fmt.Errorf("sign the commit: %w", err)
		}
		c.PGPSignature = string(sshsig.Armor(s))
	}
	if r.signers == nil || p.Branch != "" {
		return nil
	}
	if err := r.signers.verify(payload, []byte(c.PGPSignature), p.Time); err != nil {
		return fmt.Errorf("heads have to be signed by a trusted key, and this commit would not be taken: %w", err)
	}
	return nil
}

func contentOf(o plumbing.EncodedObject) ([]byte, error) {
	r, err := o.Reader()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// tree makes a tree in which files have other contents; folders that hold none of them stay.
func (m *made) tree(store storer.EncodedObjectStorer, hash plumbing.Hash, within string, files map[string][]byte) (plumbing.Hash, error) {
	before, err := object.GetTree(boundedTrees{store}, hash)
	if err != nil {
		return plumbing.ZeroHash, err
	}
	after := &object.Tree{}
	for _, e := range before.Entries {
		path := within + e.Name
		text, set := files[path]
		switch {
		case set && (e.Mode == filemode.Regular || e.Mode == filemode.Executable):
			delete(files, path)
			e.Hash, err = m.put(plumbing.BlobObject, func(o plumbing.EncodedObject) error { return write(o, text) })
		case e.Mode == filemode.Dir && below(files, path+"/"):
			e.Hash, err = m.tree(store, e.Hash, path+"/", files)
		}
		if err != nil {
			return plumbing.ZeroHash, err
		}
		after.Entries = append(after.Entries, e)
	}
	for path := range files {
		if strings.HasPrefix(path, within) {
			return plumbing.ZeroHash, fmt.Errorf("%s is no file of the commit", path)
		}
	}
	return m.put(plumbing.TreeObject, after.Encode)
}

func below(files map[string][]byte, folder string) bool {
	for path := range files {
		if strings.HasPrefix(path, folder) {
			return true
		}
	}
	return false
}

func write(o plumbing.EncodedObject, text []byte) error {
	w, err := o.Writer()
	if err != nil {
		return err
	}
	if _, err := w.Write(text); err != nil {
		return err
	}
	return w.Close()
}

// deliver pushes a commit, if the branch is as it is known here. The server holds to the
// same: what somebody else pushes meanwhile is not lost.
func (r *Repository) deliver(ctx context.Context, p source.Proposal, m *made) error {
	s, err := opened(ctx, r.remote, r.remote.client.NewReceivePackSession)
	if err != nil {
		return r.remote.explain(err)
	}
	defer s.Close()
	refs, err := s.AdvertisedReferencesContext(ctx)
	if err != nil {
		return r.remote.explain(err)
	}
	to := &packp.Command{Name: plumbing.NewBranchReferenceName(string(p.Ref)), New: m.hash}
	if p.Branch != "" {
		to.Name = plumbing.NewBranchReferenceName(p.Branch)
	}
	if err := to.Name.Validate(); err != nil {
		return fmt.Errorf("branch %q: %w", p.Branch, err)
	}
	now, there := refs.References[to.Name.String()]
	switch {
	case p.Branch != "" && there:
		return source.ErrProposed
	case p.Branch == "" && now.String() != p.Base:
		return source.ErrMoved
	case p.Branch == "":
		to.Old = now
	}
	return r.send(ctx, s, refs, to, m)
}

// send sends the new objects, and returns what became of the branch.
func (r *Repository) send(ctx context.Context, s transport.ReceivePackSession, refs *packp.AdvRefs, to *packp.Command, m *made) error {
	var pack bytes.Buffer
	if _, err := packfile.NewEncoder(&pack, m, false).Encode(m.all, 0); err != nil {
		return err
	}
	req := packp.NewReferenceUpdateRequestFromCapabilities(refs.Capabilities)
	req.Commands, req.Packfile = []*packp.Command{to}, io.NopCloser(&pack)
	status, err := s.ReceivePack(ctx, req)
	if err != nil {
		return r.remote.explain(err)
	}
	if status == nil { // the server reports nothing, and no error is all that there is
		return nil
	}
	if err := status.Error(); err != nil {
		return clientError(fmt.Errorf("the server does not take it: %w", err))
	}
	return nil
}
