// Package demo walks through Tether's main job on a real control plane: a
// commit, a bump, drift, a failed rollout and a revert, each checked in the
// cluster.
//
// It does not know how the agent works: it runs the same binary as a user would,
// and looks at git and at the cluster from outside.
package demo

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Options say where the demo finds its parts and where it writes.
type Options struct {
	// Source is a folder with charts/ and environments/production.
	Source string
	// ControlPlane is the binary that make controlplane builds.
	ControlPlane string
	// Tether is the binary to run as the agent.
	Tether string
	// Dir, if set, is where everything is kept; else a temporary folder.
	Dir string
	// Keep leaves all running at the end.
	Keep bool
	// ServiceAccount runs the agent with nothing but the token of the
	// ServiceAccount that charts/tether installs.
	ServiceAccount bool
	// Out is where the story is told.
	Out io.Writer
}

const (
	environment = "production"
	namespace   = "xuangong-prod"
	system      = "tether-system"
)

// demo is the state of one walk.
type demo struct {
	Options
	mu       sync.Mutex // guards Out
	repo     *repository
	kubefile string
	config   *rest.Config
	kube     kubernetes.Interface
	agent    *exec.Cmd
	page     string // the agent's status page
	ours     bool   // Dir is a temporary folder of ours
	exited   chan struct{}
	took     []timing
}

type timing struct {
	step string
	time time.Duration
}

// Run walks through all steps. It returns an error at the first thing that was
// not seen in the cluster as it should be.
func Run(ctx context.Context, opts Options) (err error) {
	d := &demo{Options: opts}
	if d.Dir == "" {
		if d.Dir, err = os.MkdirTemp("", "tether-demo-"); err != nil {
			return err
		}
		d.ours = true
	}
	defer func() {
		if err == nil && d.Keep {
			d.keep()
			return
		}
		err = errors.Join(err, d.tearDown())
	}()
	for _, s := range d.steps() {
		if err := d.step(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return d.summary(ctx)
}

type step struct {
	name string
	do   func(context.Context) error
}

func (d *demo) steps() []step {
	return []step{
		{"a control plane starts", d.startControlPlane},
		{"charts/ and environments/ become a git repository", d.makeRepository},
		{"the agent starts", d.startAgent},
		{"production comes up: PostgreSQL and the backend before the app", d.comesUp},
		{"a commit bumps the backend's tag: only the backend rolls", d.bump},
		{"somebody edits the app by hand: the agent names who and what, and puts it back", d.drift},
		{"a commit asks for the tag latest, which production forbids: refused, with file and line", d.forbid},
		{"a commit with a broken image fails, and goes back by itself", d.breakImage},
		{"git revert: git and cluster agree again", d.revert},
	}
}

func (d *demo) step(ctx context.Context, s step) error {
	d.say("\n── %s", s.name)
	started := time.Now()
	ctx, cancel := context.WithTimeoutCause(ctx, 5*time.Minute, errors.New("not seen within 5 minutes"))
	defer cancel()
	if err := s.do(ctx); err != nil {
		return err
	}
	took := time.Since(started)
	d.took = append(d.took, timing{s.name, took})
	d.say("   ✓ %s", took.Round(100*time.Millisecond))
	return nil
}

func (d *demo) say(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	fmt.Fprintf(d.Out, format+"\n", args...)
}

func (d *demo) startControlPlane(ctx context.Context) error {
	if _, err := os.Stat(d.ControlPlane); err != nil {
		return fmt.Errorf("the control plane's binary is missing: %w; build it with: make controlplane", err)
	}
	cmd := exec.CommandContext(ctx, d.ControlPlane, "up", "--dir", d.clusterDir(), "--detach")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", cmd, err, out)
	}
	d.kubefile = filepath.Join(d.clusterDir(), "kubeconfig")
	config, err := clientcmd.BuildConfigFromFlags("", d.kubefile)
	if err != nil {
		return err
	}
	config.QPS = -1
	d.config = config
	if d.kube, err = kubernetes.NewForConfig(config); err != nil {
		return err
	}
	version, err := d.kube.Discovery().ServerVersion()
	if err != nil {
		return err
	}
	d.say("   Kubernetes %s at %s", version.GitVersion, config.Host)
	return nil
}

func (d *demo) clusterDir() string { return filepath.Join(d.Dir, "cluster") }

func (d *demo) startAgent(ctx context.Context) error {
	kubeconfig := d.kubefile
	if d.ServiceAccount {
		var err error
		if kubeconfig, err = d.installServiceAccount(ctx); err != nil {
			return err
		}
	}
	//nolint:gosec // the binary is our own
	d.agent = exec.Command(d.Tether, "agent", "--repo", d.repo.bare, "--environment", environment, "--interval", "1s",
		"--kubeconfig", kubeconfig, "--namespace", system, "--listen", "127.0.0.1:0", "--api", "loopback", "--data-dir", filepath.Join(d.Dir, "data"), "--log-format", "text")
	// It writes to a file, and not to us: it may live longer.
	out, err := os.Create(d.agentLog())
	if err != nil {
		return err
	}
	d.agent.Stderr = out
	err = d.agent.Start()
	_ = out.Close() // the agent has it
	if err != nil {
		return fmt.Errorf("start the agent: %w", err)
	}
	d.exited = make(chan struct{})
	go func() {
		defer close(d.exited)
		_ = d.agent.Wait() // how it ended shows in what was not seen
	}()
	go d.follow()
	return d.until(ctx, func() error {
		if d.page, err = pageOf(d.agentLog()); err != nil {
			return err
		}
		d.say("   the status page is %s", d.page)
		return nil
	})
}

func (d *demo) agentLog() string { return filepath.Join(d.Dir, "agent.log") }

// follow shows the agent's log as it grows, until the agent has ended.
func (d *demo) follow() {
	log, err := os.Open(d.agentLog())
	if err != nil {
		return // it shows in what is not seen
	}
	defer log.Close()
	lines := bufio.NewReader(log)
	rest := ""
	for {
		text, err := lines.ReadString('\n')
		if rest += text; err == nil {
			d.say("   │ %s", strings.TrimSuffix(rest, "\n"))
			rest = ""
			continue
		}
		select {
		case <-d.exited:
			return
		case <-time.After(50 * time.Millisecond): // between two looks at the file
		}
	}
}

// keep tells how to go on by oneself.
func (d *demo) keep() {
	d.say(`
All is left running in %s:
  export KUBECONFIG=%s
  %s kubectl get pods -n %s
  %s status %s
  %s history %s
The repository is %s, with a checkout in %s. Try:
  cd %s && git commit --allow-empty -m "nothing changes" && git push
  edit environments/production/xuangong-app.yaml, commit, push, and watch: %s status production
  tail -f %s
End it with:
  kill %d; %s down --dir %s
The status page: %s`,
		d.Dir, d.kubefile, d.ControlPlane, namespace, d.Tether, environment, d.Tether, environment,
		d.repo.bare, d.repo.work, d.repo.work, d.Tether, d.agentLog(), d.agent.Process.Pid, d.ControlPlane, d.clusterDir(), d.page)
}

var listening = regexp.MustCompile(` listening address=(\S+)\s`)

// pageOf is the address of an agent's status page, as its log has it.
func pageOf(log string) (string, error) {
	raw, err := os.ReadFile(log)
	if err != nil {
		return "", err
	}
	m := listening.FindSubmatch(raw)
	if m == nil {
		return "", fmt.Errorf("the agent does not say in %s where it listens", log)
	}
	return "http://" + string(m[1]) + "/", nil
}

func (d *demo) tearDown() error {
	if d.agent != nil && d.agent.Process != nil {
		_ = d.agent.Process.Signal(os.Interrupt) // it may be gone already
		select {
		case <-d.exited:
		case <-time.After(20 * time.Second):
			_ = d.agent.Process.Kill()
		}
	}
	if d.kubefile != "" {
		if out, err := exec.Command(d.ControlPlane, "down", "--dir", d.clusterDir()).CombinedOutput(); err != nil {
			return fmt.Errorf("end the control plane: %w\n%s", err, out)
		}
	}
	if !d.ours {
		return nil
	}
	return os.RemoveAll(d.Dir)
}

// summary prints the ledger as a user sees it, and how long each step took.
func (d *demo) summary(ctx context.Context) error {
	d.say("\n── tether history %s", environment)
	out, err := exec.CommandContext(ctx, d.Tether, "history", environment, "--kubeconfig", d.kubefile, "--namespace", system).CombinedOutput()
	if err != nil {
		return fmt.Errorf("tether history: %w\n%s", err, out)
	}
	d.say("%s", out)
	for _, t := range d.took {
		d.say("%8s  %s", t.time.Round(100*time.Millisecond), t.step)
	}
	return nil
}
