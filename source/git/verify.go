package git

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/storer"
	"github.com/hiddeco/sshsig"
	xssh "golang.org/x/crypto/ssh"

	"github.com/xetys/tether/source/printable"
)

// Trust are the keys of which one has to have signed a head.
type Trust struct {
	// OpenPGP are armored public keys, one block after the other.
	OpenPGP []byte
	// SSH is the text of an allowed_signers file, as git takes it.
	SSH []byte
}

// signers are the keys of a Trust, read.
type signers struct {
	of  Trust
	pgp openpgp.EntityList
	ssh []sshSigner
}

// readTrust asks for the trusted keys and reads them; nil if there is nobody to ask. If they are those
// of before, so is the result.
func readTrust(ask func() (Trust, error), before *signers) (*signers, error) {
	if ask == nil {
		return nil, nil
	}
	of, err := ask()
	if err != nil {
		return nil, err
	}
	if before != nil && bytes.Equal(before.of.OpenPGP, of.OpenPGP) && bytes.Equal(before.of.SSH, of.SSH) {
		return before, nil
	}
	s := &signers{of: of}
	if len(of.OpenPGP) > 0 {
		if s.pgp, err = readKeyrings(of.OpenPGP); err != nil {
			return nil, err
		}
	}
	if s.ssh, err = readAllowedSigners(string(of.SSH)); err != nil {
		return nil, err
	}
	if len(s.pgp)+len(s.ssh) == 0 {
		return nil, errors.New("the files of trusted keys hold none: nothing could ever be deployed")
	}
	return s, nil
}

// readKeyrings reads armored blocks until the end; each may hold several keys.
func readKeyrings(text []byte) (openpgp.EntityList, error) {
	const begin = "-----BEGIN PGP"
	var all openpgp.EntityList
	_, rest, _ := strings.Cut(string(text), begin)
	for rest != "" {
		var block string
		block, rest, _ = strings.Cut(rest, begin)
		keys, err := openpgp.ReadArmoredKeyRing(strings.NewReader(begin + block))
		if err != nil {
			return nil, fmt.Errorf("the OpenPGP keys can't be read: %w; export them with gpg --armor --export", err)
		}
		for _, k := range keys {
			if k.PrivateKey != nil {
				return nil, errors.New("the file of OpenPGP keys holds a private key: export the public ones alone, with gpg --armor --export")
			}
		}
		all = append(all, keys...)
	}
	return all, nil
}

// judge returns why neither a commit nor the tag that it was reached by, under the name
// of a ref, was signed by a trusted key; nil if one was, or if none has to. A signed tag
// vouches for its commit under its own name alone: anybody who may push can put it under
// another one, such as that of a higher version.
func (s *signers) judge(store storer.EncodedObjectStorer, name string, c *object.Commit, tag *object.Tag) error {
	if s == nil {
		return nil
	}
	if tag != nil {
		if own, signed := s.signedTag(store, c, tag); signed && name == own {
			return nil
		} else if signed {
			return fmt.Errorf("%s is not trusted: it is the signed tag %s under another name: sign a tag of that name", printable.Line(name, maxName), printable.Line(own, maxName))
		}
	}
	raw, err := readObject(store, plumbing.CommitObject, c.Hash)
	if err != nil {
		return fmt.Errorf("commit %.7s can't be verified: %w", c.Hash, err)
	}
	payload, signature, err := splitCommit(raw)
	if err == nil && !bytes.HasPrefix(payload, []byte("tree "+c.TreeHash.String()+"\n")) {
		err = errors.New("it is malformed")
	}
	if err == nil {
		err = s.verify(payload, signature, c.Committer.When)
	}
	if err != nil {
		return fmt.Errorf("commit %.7s is not trusted: %w", c.Hash, err)
	}
	return nil
}

// signedTag reports whether a trusted key signed a tag of a commit, and under which
// name of a ref. The name is read from what was signed, in the one form that git
// writes.
func (s *signers) signedTag(store storer.EncodedObjectStorer, c *object.Commit, tag *object.Tag) (string, bool) {
	raw, err := readObject(store, plumbing.TagObject, tag.Hash)
	if err != nil {
		return "", false
	}
	payload, signature := splitTag(raw)
	rest, isOf := bytes.CutPrefix(payload, []byte("object "+c.Hash.String()+"\ntype commit\ntag "))
	own, _, ends := bytes.Cut(rest, []byte("\n"))
	if !isOf || !ends || s.verify(payload, signature, tag.Tagger.When) != nil {
		return "", false
	}
	return "refs/tags/" + string(own), true
}

// splitCommit takes the signature out of a commit's bytes. What is left is what
// was signed, byte for byte; it is not put together anew from what was parsed.
func splitCommit(raw []byte) (payload, signature []byte, err error) {
	header, message, _ := bytes.Cut(raw, []byte("\n\n"))
	within, found := false, 0
	for line := range bytes.Lines(append(header, '\n')) {
		switch {
		case bytes.HasPrefix(line, []byte("gpgsig ")):
			within, found = true, found+1
			signature = append(signature, line[len("gpgsig "):]...)
		case bytes.HasPrefix(line, []byte("gpgsig")):
			return nil, nil, errors.New("it has a signature of a kind that is not supported")
		case within && line[0] == ' ':
			signature = append(signature, line[1:]...)
		default:
			within = false
			payload = append(payload, line...)
		}
	}
	if found > 1 {
		return nil, nil, errors.New("it has more than one signature")
	}
	return append(append(payload, '\n'), message...), signature, nil
}

// splitTag takes the signature off the end of a tag's bytes.
func splitTag(raw []byte) (payload, signature []byte) {
	at := -1
	for _, begin := range []string{"-----BEGIN PGP SIGNATURE-----", "-----BEGIN SSH SIGNATURE-----"} {
		at = max(at, bytes.LastIndex(raw, []byte("\n"+begin)))
	}
	if at < 0 {
		return raw, nil
	}
	return raw[:at+1], raw[at+1:]
}

// verify returns why a payload was not signed by a trusted key.
func (s *signers) verify(payload, signature []byte, when time.Time) error {
	switch {
	case len(signature) == 0:
		return errors.New("it is not signed")
	case bytes.HasPrefix(signature, []byte("-----BEGIN SSH SIGNATURE-----")):
		return s.verifySSH(payload, signature, when)
	case bytes.HasPrefix(signature, []byte("-----BEGIN PGP")):
		return s.verifyPGP(payload, signature)
	}
	return errors.New("it is signed in a way that is not supported: use OpenPGP or SSH")
}

// verifyPGP holds keys to be valid when the signature was made, as it says.
func (s *signers) verifyPGP(payload, signature []byte) error {
	block, err := armor.Decode(bytes.NewReader(signature))
	if err != nil {
		return errors.New("its OpenPGP signature can't be read")
	}
	raw, err := io.ReadAll(block.Body)
	if err != nil {
		return errors.New("its OpenPGP signature can't be read")
	}
	p, err := packet.NewReader(bytes.NewReader(raw)).Next()
	sig, ok := p.(*packet.Signature)
	if err != nil || !ok || sig.IssuerKeyId == nil {
		return errors.New("its OpenPGP signature can't be read")
	}
	key := fmt.Sprintf("%016X", *sig.IssuerKeyId)
	if len(s.pgp.KeysById(*sig.IssuerKeyId)) == 0 {
		return fmt.Errorf("it is signed with the OpenPGP key %s, which is not among the trusted ones", key)
	}
	config := &packet.Config{Time: func() time.Time { return sig.CreationTime }}
	if _, err := openpgp.CheckDetachedSignature(s.pgp, bytes.NewReader(payload), bytes.NewReader(raw), config); err != nil {
		return fmt.Errorf("its signature by the OpenPGP key %s does not hold: %w", key, err)
	}
	return nil
}

// verifySSH holds keys to be valid at the time that the commit says, as git does.
func (s *signers) verifySSH(payload, signature []byte, when time.Time) error {
	sig, err := sshsig.Unarmor(signature)
	if err != nil {
		return errors.New("its SSH signature can't be read")
	}
	if sig.Signature.Format == xssh.KeyAlgoRSA {
		return errors.New("its SSH signature is made with SHA-1: use rsa-sha2-512")
	}
	name := xssh.FingerprintSHA256(sig.PublicKey)
	why := fmt.Errorf("it is signed with the SSH key %s, which is not among the trusted ones", name)
	for _, signer := range s.ssh {
		if !bytes.Equal(signer.key.Marshal(), sig.PublicKey.Marshal()) {
			continue
		}
		if err := signer.mayNow(when); err != nil {
			why = fmt.Errorf("it is signed with the SSH key %s, which %w", name, err)
			continue
		}
		if err := sshsig.Verify(bytes.NewReader(payload), sig, signer.key, sig.HashAlgorithm, gitNamespace); err != nil {
			return fmt.Errorf("its signature by the SSH key %s does not hold: %w", name, err)
		}
		return nil
	}
	return why
}
