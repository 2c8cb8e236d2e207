package e2e_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var listensOn = regexp.MustCompile(`listening.* address=(\S+)`)

// announce tells an agent of a push to main, as GitHub does, and returns the
// answer's status.
func (w *world) announce(p *process, secret string) int {
	w.t.Helper()
	const body = `{"ref": "refs/heads/main"}`
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(body))
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, "http://"+listensOn.FindStringSubmatch(p.text())[1]+"/webhook", strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("X-GitHub-Event", "push")
	req.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

// A push that is announced is live long before the interval is over, whichever of
// two replicas it is announced to, and is not undone by the one that takes over.
func TestAnAnnouncedPushIsLiveAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "pushed")
	w.environment("{name: web, chart: charts/web, values: [web.yaml]}")
	w.write("environments/prod/web.yaml", "tag: v1\n")
	head := w.commit("First")
	secret := filepath.Join(w.dir, "secret")
	if err := os.WriteFile(secret, []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	start := func(name string) *process {
		return w.agent(name, "--interval", "1h", "--listen", "127.0.0.1:0", "--webhook-secret-file", secret)
	}
	leader := start("a")
	w.await(head, "applied")
	other := start("b")
	w.eventually(func() error { return answers(other) })

	w.write("environments/prod/web.yaml", "tag: v2\n")
	head = w.commit("Told to who leads")
	if code := w.announce(leader, "wrong"); code != http.StatusUnauthorized {
		t.Errorf("a wrong signature: %d", code)
	}
	if code := w.announce(leader, "s3cret"); code != http.StatusAccepted {
		t.Errorf("a right signature: %d", code)
	}
	w.await(head, "applied")

	w.write("environments/prod/web.yaml", "tag: v3\n")
	head = w.commit("Told to who stands by")
	if code := w.announce(other, "s3cret"); code != http.StatusAccepted {
		t.Errorf("a right signature: %d", code)
	}
	w.await(head, "applied")

	w.write("environments/prod/web.yaml", "tag: v4\n")
	head = w.commit("Known to who leads alone")
	w.announce(leader, "s3cret")
	w.await(head, "applied")
	if err := leader.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	<-leader.done
	w.write("environments/prod/web.yaml", "tag: v5\n")
	head = w.commit("Told to who took over")
	w.announce(other, "s3cret")
	w.await(head, "applied")
	if strings.Contains(other.text(), "Told to who stands by") {
		t.Error("who took over looked at an old head")
	}
}

// answers reports whether an agent's HTTP server is up and its clone there.
func answers(p *process) error {
	at := listensOn.FindStringSubmatch(p.text())
	if at == nil {
		return os.ErrNotExist
	}
	resp, err := http.Get("http://" + at[1] + "/readyz")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return http.ErrServerClosed
	}
	return nil
}
