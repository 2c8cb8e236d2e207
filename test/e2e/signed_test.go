package e2e_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xetys/tether/test/hosts"
)

// signer is a key, the file in which it is trusted, and the flag that names it.
type signer struct {
	sign         func(payload string) string
	trusted      []byte
	flag, reason string // the reason is what is told of another key's signature
}

func sshSigner(t *testing.T) signer {
	t.Helper()
	key, _, err := hosts.SSHKey()
	if err != nil {
		t.Fatal(err)
	}
	return signer{
		sign: func(payload string) string {
			s, err := sshsig.Sign(strings.NewReader(payload), key, sshsig.HashSHA512, "git")
			if err != nil {
				t.Fatal(err)
			}
			return string(sshsig.Armor(s))
		},
		trusted: append([]byte("ann@example.com "), ssh.MarshalAuthorizedKey(key.PublicKey())...),
		flag:    "--verify-ssh-file", reason: "it is signed with the SSH key SHA256:",
	}
}

func openPGPSigner(t *testing.T) signer {
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
	return signer{
		sign: func(payload string) string {
			var out bytes.Buffer
			if err := openpgp.ArmoredDetachSign(&out, key, strings.NewReader(payload), nil); err != nil {
				t.Fatal(err)
			}
			return out.String()
		},
		trusted: append(public.Bytes(), '\n'),
		flag:    "--verify-openpgp-file", reason: "it is signed with the OpenPGP key ",
	}
}

// signed has the newest commit signed, as git commit -S does, and pushes it.
func (w *world) signed(by signer) string {
	w.t.Helper()
	raw := w.git("-C", w.work, "cat-file", "commit", "HEAD") + "\n"
	header, message, _ := strings.Cut(raw, "\n\n")
	text := strings.ReplaceAll(strings.TrimSpace(by.sign(raw)), "\n", "\n ")
	file := filepath.Join(w.dir, "object")
	if err := os.WriteFile(file, []byte(header+"\ngpgsig "+text+"\n\n"+message), 0o600); err != nil {
		w.t.Fatal(err)
	}
	hash := w.git("-C", w.work, "hash-object", "-t", "commit", "-w", file)
	w.git("-C", w.work, "reset", "--quiet", "--hard", hash)
	w.git("-C", w.work, "push", "--quiet", "--force", "origin", "HEAD:main")
	return hash
}

// A head that nobody signed who is trusted is refused, and the last one that was
// stays in force: its drift is put back.
func TestOnlySignedHeadsAreDeployed(t *testing.T) {
	for name, kind := range map[string]func(*testing.T) signer{"ssh": sshSigner, "openpgp": openPGPSigner} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onlySigned(t, newWorld(t, "signed-"+name), kind(t), kind(t))
		})
	}
}

func onlySigned(t *testing.T, w *world, ann, mallory signer) {
	t.Helper()
	trusted := filepath.Join(w.dir, "trusted")
	if err := os.WriteFile(trusted, ann.trusted, 0o600); err != nil {
		t.Fatal(err)
	}
	w.environment("{name: web, chart: charts/web, values: [web.yaml]}")
	w.write("environments/prod/web.yaml", "tag: v1\n")
	w.commit("First")
	head := w.signed(ann)
	agent := w.agent("a", ann.flag, trusted)
	w.await(head, "applied")

	w.write("environments/prod/web.yaml", "tag: v2\n")
	w.refused(w.commit("Unsigned"), "it is not signed")
	w.refused(w.signed(mallory), mallory.reason)
	w.git("-C", w.work, "reset", "--quiet", "--hard", "HEAD~1")
	w.keeps("example.com/web:v1")

	// Nor is it taken after a restart, with the repository away.
	agent.kill()
	if err := os.Rename(w.bare, w.bare+".away"); err != nil {
		t.Fatal(err)
	}
	w.agent("a", ann.flag, trusted)
	w.keeps("example.com/web:v1")
	if err := os.Rename(w.bare+".away", w.bare); err != nil {
		t.Fatal(err)
	}

	w.write("environments/prod/web.yaml", "tag: v3\n")
	w.git("-C", w.work, "commit", "--quiet", "--all", "--message", "Signed")
	w.await(w.signed(ann), "applied")
	if image := w.images()["web"]; image != "example.com/web:v3" {
		t.Errorf("%s runs", image)
	}
}

// keeps holds the agent to put drift back, and to leave the image what it was.
func (w *world) keeps(image string) {
	w.t.Helper()
	maps := w.cluster.Kube.CoreV1().ConfigMaps(w.name)
	if err := maps.Delete(w.t.Context(), "web", metav1.DeleteOptions{}); err != nil {
		w.t.Fatal(err)
	}
	w.eventually(func() error {
		_, err := maps.Get(w.t.Context(), "web", metav1.GetOptions{})
		return err
	})
	if now := w.images()["web"]; now != image {
		w.t.Errorf("%s runs; want %s", now, image)
	}
}

func (w *world) refused(commit, why string) {
	w.t.Helper()
	w.await(commit, "refused")
	if s, err := w.status(); err != nil || !strings.Contains(s.Reason, why) {
		w.t.Errorf("refused for %q, %v; want %q", s.Reason, err, why)
	}
}
