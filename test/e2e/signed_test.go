package e2e_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// sign has the newest commit signed with an ssh key, as git commit -S does, and
// pushes it.
func (w *world) sign(key ssh.Signer) string {
	w.t.Helper()
	raw := w.git("-C", w.work, "cat-file", "commit", "HEAD") + "\n"
	s, err := sshsig.Sign(strings.NewReader(raw), key, sshsig.HashSHA512, "git")
	if err != nil {
		w.t.Fatal(err)
	}
	header, message, _ := strings.Cut(raw, "\n\n")
	text := strings.ReplaceAll(strings.TrimSpace(string(sshsig.Armor(s))), "\n", "\n ")
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
	t.Parallel()
	w := newWorld(t, "signed")
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	signers := filepath.Join(w.dir, "allowed_signers")
	if err := os.WriteFile(signers, append([]byte("ann@example.com "), ssh.MarshalAuthorizedKey(key.PublicKey())...), 0o600); err != nil {
		t.Fatal(err)
	}
	w.environment("{name: web, chart: charts/web, values: [web.yaml]}")
	w.write("environments/prod/web.yaml", "tag: v1\n")
	w.commit("First")
	head := w.sign(key)
	agent := w.agent("a", "--verify-ssh-file", signers)
	w.await(head, "applied")

	w.write("environments/prod/web.yaml", "tag: v2\n")
	w.refused(w.commit("Unsigned"), "it is not signed")
	w.git("-C", w.work, "reset", "--quiet", "--hard", "HEAD~1")
	w.keeps("example.com/web:v1")

	// Nor is it taken after a restart, with the repository away.
	agent.kill()
	if err := os.Rename(w.bare, w.bare+".away"); err != nil {
		t.Fatal(err)
	}
	w.agent("a", "--verify-ssh-file", signers)
	w.keeps("example.com/web:v1")
	if err := os.Rename(w.bare+".away", w.bare); err != nil {
		t.Fatal(err)
	}

	w.write("environments/prod/web.yaml", "tag: v3\n")
	w.git("-C", w.work, "commit", "--quiet", "--all", "--message", "Signed")
	w.await(w.sign(key), "applied")
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
