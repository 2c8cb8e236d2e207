package git_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/hiddeco/sshsig"
	xssh "golang.org/x/crypto/ssh"

	"github.com/xetys/tether/source"
	"github.com/xetys/tether/source/git"
)

// signature is how a test signs bytes.
type signature func(t *testing.T, payload []byte) string

func byPGP(key *openpgp.Entity) signature {
	return func(t *testing.T, payload []byte) string {
		t.Helper()
		var out bytes.Buffer
		if err := openpgp.ArmoredDetachSign(&out, key, bytes.NewReader(payload), nil); err != nil {
			t.Fatal(err)
		}
		return out.String() + "\n"
	}
}

func bySSH(key xssh.Signer, namespace string) signature {
	return func(t *testing.T, payload []byte) string {
		t.Helper()
		s, err := sshsig.Sign(bytes.NewReader(payload), key, sshsig.HashSHA512, namespace)
		if err != nil {
			t.Fatal(err)
		}
		return string(sshsig.Armor(s))
	}
}

// signed commits, has the commit signed, and pushes it.
func (r *remote) signed(content string, sign signature) string {
	r.t.Helper()
	r.commit("a", content, "Change to "+content)
	return r.push("commit", r.sign(r.raw("commit", "HEAD"), sign))
}

func (r *remote) raw(kind, at string) string {
	return r.git(r.work, "cat-file", kind, at) + "\n"
}

// sign puts a signature into a commit's header, as git does.
func (r *remote) sign(raw string, sign signature) string {
	r.t.Helper()
	header, message, _ := strings.Cut(raw, "\n\n")
	text := strings.ReplaceAll(strings.TrimSuffix(sign(r.t, []byte(raw)), "\n"), "\n", "\n ")
	return header + "\ngpgsig " + text + "\n\n" + message
}

// push writes a commit object and has main point to it.
func (r *remote) push(kind, raw string) string {
	r.t.Helper()
	file := filepath.Join(r.t.TempDir(), "object")
	if err := os.WriteFile(file, []byte(raw), 0o600); err != nil {
		r.t.Fatal(err)
	}
	hash := r.git(r.work, "hash-object", "-t", kind, "-w", file)
	r.git(r.work, "reset", "-q", "--hard", hash)
	r.git(r.work, "push", "-qf", "origin", "HEAD:main")
	return r.git(r.work, "rev-parse", "HEAD")
}

func newPGP(t *testing.T) (*openpgp.Entity, []byte) {
	t.Helper()
	key, err := openpgp.NewEntity("Ann", "", "ann@example.com", nil)
	if err != nil {
		t.Fatal(err)
	}
	var public bytes.Buffer
	w, err := armor.Encode(&public, openpgp.PublicKeyType, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := key.Serialize(w); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return key, append(public.Bytes(), '\n')
}

// allowed is a line of an allowed_signers file.
func allowed(key xssh.Signer, options string) string {
	return "ann@example.com,bob@example.com " + options + " " + string(xssh.MarshalAuthorizedKey(key.PublicKey()))
}

func trusting(t git.Trust) func() (git.Trust, error) {
	return func() (git.Trust, error) { return t, nil }
}

// judged fetches, and holds main to be at a commit that is trusted, or not for a reason.
func judged(t *testing.T, repo *git.Repository, name, sha, why string) {
	t.Helper()
	got := heads(t, repo)["main"]
	if got.SHA != sha || got.Err != nil {
		t.Errorf("%s: head is %.7s, %v; want %.7s", name, got.SHA, got.Err, sha)
	}
	switch {
	case why == "" && got.Untrusted != nil:
		t.Errorf("%s: %v", name, got.Untrusted)
	case why != "" && (got.Untrusted == nil || !strings.Contains(got.Untrusted.Error(), why)):
		t.Errorf("%s: %v; want %q", name, got.Untrusted, why)
	}
}

func TestOnlyHeadsThatAreSignedByATrustedKeyAreTrusted(t *testing.T) {
	r := newRemote(t)
	ann, annPublic := newPGP(t)
	bob, bobPublic := newPGP(t)
	eve, _ := newPGP(t)
	carol, _ := newKey(t)
	mallory, _ := newKey(t)
	date := func(d time.Duration) string { return time.Now().Add(d).UTC().Format("20060102") + "Z" }
	early, late, other, both := allowedKey(t), allowedKey(t), allowedKey(t), allowedKey(t)
	signers := "# who may\n\n" + allowed(carol, `namespaces="file,git"`) +
		allowed(early, `valid-after="`+date(48*time.Hour)+`"`) + allowed(late, `valid-before="`+date(-48*time.Hour)+`"`) +
		allowed(other, `namespaces="file"`) + allowed(both, `valid-after="`+date(-48*time.Hour)+`",valid-before="`+date(48*time.Hour)+`"`)
	repo := with(t, git.Options{URL: r.bare, Refs: main, Trust: trusting(git.Trust{OpenPGP: append(annPublic, bobPublic...), SSH: []byte(signers)})})

	judged(t, repo, "unsigned", r.commit("a", "0", "zero"), "it is not signed")
	judged(t, repo, "the first OpenPGP key", r.signed("1", byPGP(ann)), "")
	judged(t, repo, "the second OpenPGP key", r.signed("2", byPGP(bob)), "")
	judged(t, repo, "an unknown OpenPGP key", r.signed("3", byPGP(eve)), fmt.Sprintf("OpenPGP key %016X, which is not among", eve.PrimaryKey.KeyId))
	judged(t, repo, "an ssh key", r.signed("4", bySSH(carol, "git")), "")
	judged(t, repo, "an unknown ssh key", r.signed("5", bySSH(mallory, "git")), xssh.FingerprintSHA256(mallory.PublicKey())+", which is not among")
	judged(t, repo, "a signature for something else", r.signed("6", bySSH(carol, "file")), "does not hold: namespace")
	judged(t, repo, "a key that is not for commits", r.signed("7", bySSH(other, "git")), "not trusted with commits")
	judged(t, repo, "a key that is not valid yet", r.signed("8", bySSH(early, "git")), "is trusted from")
	judged(t, repo, "a key that is valid no more", r.signed("9", bySSH(late, "git")), "is trusted until")
	judged(t, repo, "a key that is valid for some days", r.signed("10", bySSH(both, "git")), "")
	judged(t, repo, "a signed revert of what was not trusted", r.signed("0", bySSH(carol, "git")), "")

	// What was signed is what counts, to the byte.
	r.commit("a", "11", "eleven")
	forged := strings.Replace(r.sign(r.raw("commit", "HEAD"), byPGP(ann)), "eleven", "twelve", 1)
	judged(t, repo, "a message that was changed", r.push("commit", forged), "does not hold")
	r.commit("a", "12", "twelve")
	twice := r.sign(r.sign(r.raw("commit", "HEAD"), byPGP(eve)), byPGP(ann))
	judged(t, repo, "two signatures", r.push("commit", twice), "more than one signature")
	r.commit("a", "13", "thirteen")
	nonsense := r.sign(r.raw("commit", "HEAD"), func(*testing.T, []byte) string { return "-----BEGIN SIGNED MESSAGE-----\nx\n" })
	judged(t, repo, "another kind of signature", r.push("commit", nonsense), "use OpenPGP or SSH")
	r.commit("a", "14", "fourteen")
	broken := r.sign(r.raw("commit", "HEAD"), func(*testing.T, []byte) string { return "-----BEGIN PGP SIGNATURE-----\n\nx\n" })
	judged(t, repo, "a signature that is none", r.push("commit", broken), "can't be read")

	// Without keys nothing is asked.
	judged(t, with(t, git.Options{URL: r.bare, Refs: main}), "without keys", r.commit("a", "15", "fifteen"), "")
	if last, err := repo.Last("main"); err != nil || last.Untrusted == nil {
		t.Errorf("the last head needs no signature: %v, %v", last.Untrusted, err)
	}
}

func allowedKey(t *testing.T) xssh.Signer {
	t.Helper()
	key, _ := newKey(t)
	return key
}

// tagObject writes a tag object of HEAD, signed or not, and returns its hash.
func (r *remote) tagObject(raw string, sign signature) string {
	r.t.Helper()
	if sign != nil {
		raw += sign(r.t, []byte(raw))
	}
	file := filepath.Join(r.t.TempDir(), "tag")
	if err := os.WriteFile(file, []byte(raw), 0o600); err != nil {
		r.t.Fatal(err)
	}
	return r.git(r.work, "hash-object", "-t", "tag", "--literally", "-w", file)
}

// tagNamed is what a tag of a commit looks like.
func tagNamed(name, sha string) string {
	return "object " + sha + "\ntype commit\ntag " + name + "\ntagger A <a@b.c> 1700000000 +0000\n\nA tag\n"
}

func TestASignedTagIsAsGoodAsASignedCommitUnderItsOwnName(t *testing.T) {
	r := newRemote(t)
	carol, _ := newKey(t)
	mallory, _ := newKey(t)
	byCarol := bySSH(carol, "git")
	sha := r.commit("a", "1", "one")
	repo := with(t, git.Options{URL: r.bare, Refs: []source.Ref{"tag:v*"}, Trust: trusting(git.Trust{SSH: []byte(allowed(carol, ""))})})
	judge := func(name, object, why string) {
		t.Helper()
		r.git(r.work, "push", "-qf", "origin", object+":refs/tags/"+name)
		got := heads(t, repo)["tag:v*"]
		switch {
		case got.SHA != sha || got.Err != nil || got.Name != "refs/tags/"+name:
			t.Errorf("%s: head is %.7s by %s, %v", name, got.SHA, got.Name, got.Err)
		case why == "" && got.Untrusted != nil, why != "" && (got.Untrusted == nil || !strings.Contains(got.Untrusted.Error(), why)):
			t.Errorf("%s: %v; want %q", name, got.Untrusted, why)
		}
	}
	judge("v1.0.0", r.tagObject(tagNamed("v1.0.0", sha), nil), "it is not signed")
	judge("v1.1.0", r.tagObject(tagNamed("v1.1.0", sha), byCarol), "")
	judge("v1.2.0", "refs/heads/main", "it is not signed")

	// Put under another name it vouches for nothing, and neither does what only looks
	// like its name.
	old := r.tagObject(tagNamed("v1.1.0", sha), byCarol)
	judge("v2.0.0", old, "refs/tags/v2.0.0 is not trusted: it is the signed tag refs/tags/v1.1.0 under another name")
	judge("v2.1.0", r.tagObject(tagNamed("v1.1.0\ntag v2.1.0", sha), byCarol), "under another name")
	judge("v2.2.0", r.tagObject(tagNamed("v2.2.0 ", sha), byCarol), "under another name")
	judge("v2.4.0", r.tagObject(strings.Replace(tagNamed("v1.1.0", sha), "A tag", "tag v2.4.0", 1), byCarol), "under another name")
	judge("v2.5.0", r.tagObject(tagNamed("v2.5.0", sha), bySSH(mallory, "git")), "it is not signed")

	// Not even where the commit is signed too: whoever put it there wants something else.
	sha = r.signed("2", byCarol)
	judge("v3.0.0", r.tagObject(tagNamed("v1.1.0", sha), byCarol), "under another name")
	judge("v3.1.0", "refs/heads/main", "")
}

func TestTrustedKeysAreReadAnewAndChecked(t *testing.T) {
	r := newRemote(t)
	carol, _ := newKey(t)
	dave, _ := newKey(t)
	now := git.Trust{SSH: []byte(allowed(carol, ""))}
	repo := with(t, git.Options{URL: r.bare, Refs: main, Trust: func() (git.Trust, error) { return now, nil }})
	sha := r.signed("1", bySSH(carol, "git"))
	judged(t, repo, "with the key", sha, "")
	now = git.Trust{SSH: []byte(allowed(dave, ""))}
	judged(t, repo, "once it is taken away", sha, "not among the trusted ones")
	now = git.Trust{}
	if _, err := repo.Fetch(t.Context()); err == nil || !strings.Contains(err.Error(), "hold none") {
		t.Errorf("once all are taken away: %v", err)
	}
	if last, err := repo.Last("main"); err != nil || last.Untrusted == nil {
		t.Errorf("once all are taken away, the last head is trusted: %v", err)
	}

	_, public := newPGP(t)
	for why, bad := range map[string]git.Trust{
		"hold none":                         {SSH: []byte("# nobody\n")},
		"line 2 of the allowed_signers":     {SSH: []byte("# a\nann@example.com ssh-ed25519\n")},
		"certificates are not supported":    {SSH: []byte(allowed(carol, "cert-authority"))},
		"option agent-forwarding":           {SSH: []byte(allowed(carol, "agent-forwarding"))},
		"is not YYYYMMDD":                   {SSH: []byte(allowed(carol, `valid-after="soon"`))},
		"OpenPGP keys can't be read":        {OpenPGP: bytes.Replace(public, []byte("\n\n"), []byte("\n\nAAAA"), 1)},
		"allowed_signers file: it is not p": {SSH: []byte("ann@example.com\n")},
	} {
		_, err := git.New(git.Options{URL: r.bare, Refs: main, Trust: trusting(bad)})
		if err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%v; want %q", err, why)
		}
	}
}

// What git itself signs, with the programs that it calls, is trusted too.
func TestSignaturesOfGitItselfAreTrusted(t *testing.T) {
	for _, program := range []string{"ssh-keygen", "gpg"} {
		t.Run(program, func(t *testing.T) {
			if _, err := exec.LookPath(program); err != nil {
				t.Skip(program + " is not on this machine; the Go libraries' signatures are tested all the same")
			}
			r := newRemote(t)
			home := t.TempDir()
			t.Setenv("GNUPGHOME", home)
			r.commit("a", "1", "one")
			var trust git.Trust
			var args []string
			if program == "gpg" {
				run(t, "gpg", "--batch", "--quiet", "--passphrase", "", "--quick-gen-key", "Ann <ann@example.com>", "ed25519", "sign", "never")
				trust.OpenPGP = run(t, "gpg", "--batch", "--armor", "--export", "ann@example.com")
				args = []string{"-c", "user.signingkey=ann@example.com"}
				t.Cleanup(func() { _ = exec.Command("gpgconf", "--kill", "gpg-agent").Run() }) // it ends with its home
			} else {
				key := filepath.Join(home, "key")
				run(t, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
				public, err := os.ReadFile(key + ".pub")
				if err != nil {
					t.Fatal(err)
				}
				trust.SSH = append([]byte("ann@example.com "), public...)
				args = []string{"-c", "gpg.format=ssh", "-c", "user.signingkey=" + key}
			}
			repo := with(t, git.Options{URL: r.bare, Refs: main, Trust: trusting(trust)})
			r.git(r.work, append(args, "commit", "-q", "-S", "--allow-empty", "-m", "Signed\n\nwith a body\n")...)
			r.git(r.work, "push", "-q", "origin", "main")
			judged(t, repo, "a commit", r.git(r.work, "rev-parse", "HEAD"), "")

			r.commit("a", "2", "two")
			r.git(r.work, append(args, "tag", "-s", "-m", "A tag", "v1.0.0")...)
			r.git(r.work, "push", "-q", "origin", "v1.0.0")
			tagged := with(t, git.Options{URL: r.bare, Refs: []source.Ref{"tag:v*"}, Trust: trusting(trust)})
			if got := heads(t, tagged)["tag:v*"]; got.Err != nil || got.Untrusted != nil {
				t.Errorf("a tag: %v, %v", got.Err, got.Untrusted)
			}
		})
	}
}

func run(t *testing.T, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(name, args...)
	var wrong bytes.Buffer
	cmd.Stderr = &wrong
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, wrong.String())
	}
	return out
}
