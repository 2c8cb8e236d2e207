package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xetys/tether/test/cluster"
)

// world is a repository, a namespace and agents on the shared control plane, for
// tests that kill, measure and race, which scripts can't.
type world struct {
	t          *testing.T
	cluster    *cluster.Cluster
	dir, name  string
	work, bare string
	tether     string
	patience   time.Duration // how long what is expected is waited for
}

func newWorld(t *testing.T, name string) *world {
	t.Helper()
	return newWorldOn(t, name, cluster.Shared(t))
}

// newWorldOn is newWorld on a control plane of its own.
func newWorldOn(t *testing.T, name string, c *cluster.Cluster) *world {
	t.Helper()
	tether, err := cluster.Binary("tether")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	w := &world{t: t, cluster: c, dir: dir, name: name, tether: tether, patience: patience,
		work: filepath.Join(dir, "work"), bare: filepath.Join(dir, "repo.git")}
	if err := os.CopyFS(filepath.Join(w.work, "charts"), os.DirFS("charts")); err != nil {
		t.Fatal(err)
	}
	w.git("init", "--quiet", "--bare", "--initial-branch=main", w.bare)
	w.git("init", "--quiet", "--initial-branch=main", w.work)
	w.git("-C", w.work, "remote", "add", "origin", w.bare)
	return w
}

func (w *world) git(args ...string) string {
	w.t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_SYSTEM="+os.DevNull,
		"GIT_AUTHOR_NAME=Ann", "GIT_AUTHOR_EMAIL=ann@example.com", "GIT_COMMITTER_NAME=Ann", "GIT_COMMITTER_EMAIL=ann@example.com")
	out, err := cmd.CombinedOutput()
	if err != nil {
		w.t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// write writes a file of the repository.
func (w *world) write(path, text string) {
	w.t.Helper()
	path = filepath.Join(w.work, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// environment writes environment.yaml with the given releases, one a line.
func (w *world) environment(releases ...string) {
	w.t.Helper()
	text := "apiVersion: tether.stytex.cloud/v1\nkind: Environment\nmetadata: {name: prod}\nspec:\n  namespace: " + w.name + "\n  releases:\n"
	for _, r := range releases {
		text += "    - " + r + "\n"
	}
	w.write("environments/prod/environment.yaml", text)
}

func (w *world) commit(subject string) string {
	w.t.Helper()
	w.git("-C", w.work, "add", "--all")
	w.git("-C", w.work, "commit", "--quiet", "--allow-empty", "--message", subject)
	w.git("-C", w.work, "push", "--quiet", "origin", "HEAD:main")
	return w.git("-C", w.work, "rev-parse", "HEAD")
}

// process is a running agent.
type process struct {
	cmd  *exec.Cmd
	done chan struct{}
	mu   sync.Mutex
	log  bytes.Buffer
}

func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.Write(b)
}

func (p *process) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

// agent starts an agent; replicas that share a folder share nothing else.
func (w *world) agent(folder string, more ...string) *process {
	w.t.Helper()
	return w.agentOf("prod", folder, more...)
}

// agentOf starts an agent of some environments.
func (w *world) agentOf(environments, folder string, more ...string) *process {
	w.t.Helper()
	args := append([]string{"agent", "--repo", w.bare, "--environment", environments, "--interval", "200ms", "--listen", "",
		"--kubeconfig", w.cluster.Kubeconfig, "--namespace", w.name + "-system", "--data-dir", filepath.Join(w.dir, folder), "--log-format", "text"}, more...)
	p := &process{cmd: exec.Command(w.tether, args...), done: make(chan struct{})}
	p.cmd.Stderr = p
	if err := p.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	go func() {
		defer close(p.done)
		_ = p.cmd.Wait() // the tests kill it
	}()
	w.t.Cleanup(func() {
		p.kill()
		if w.t.Failed() {
			w.t.Logf("agent %s:\n%s", folder, p.text())
		}
	})
	return p
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may be gone
	<-p.done
}

type status struct {
	Head            struct{ Commit string }
	Verdict, Reason string
	Releases        []struct {
		Name    string
		Healthy bool
	}
}

func (w *world) status() (status, error) { return w.statusOf("prod") }

func (w *world) statusOf(environment string) (status, error) {
	var s status
	cmd := exec.Command(w.tether, "status", environment, "-o", "json", "--kubeconfig", w.cluster.Kubeconfig, "--namespace", w.name+"-system")
	out, err := cmd.Output()
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal(out, &s)
}

// await waits until the head is the commit, with the verdict.
func (w *world) await(commit, verdict string) {
	w.t.Helper()
	w.awaitIn("prod", commit, verdict)
}

func (w *world) awaitIn(environment, commit, verdict string) {
	w.t.Helper()
	w.eventually(func() error {
		s, err := w.statusOf(environment)
		if err != nil {
			return err
		}
		if s.Head.Commit != commit || s.Verdict != verdict {
			return fmt.Errorf("%.7s is %s: %s; want %.7s %s", s.Head.Commit, s.Verdict, s.Reason, commit, verdict)
		}
		return nil
	})
}

func (w *world) eventually(check func() error) {
	w.t.Helper()
	deadline := time.Now().Add(w.patience)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("not seen after %s: %v", w.patience, err)
		}
		time.Sleep(50 * time.Millisecond) // between two looks at a condition
	}
}

// images returns what each Deployment of the namespace runs.
func (w *world) images() map[string]string {
	w.t.Helper()
	list, err := w.cluster.Kube.AppsV1().Deployments(w.name).List(context.Background(), metav1.ListOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	out := map[string]string{}
	for _, d := range list.Items {
		out[d.Name] = d.Spec.Template.Spec.Containers[0].Image
	}
	return out
}
