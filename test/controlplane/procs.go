package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// group is the processes of one control plane. The first that ends ends all, but
// for an API server that somebody kills: it is started again, as a kubelet would.
type group struct {
	opts     *upOptions
	cancel   context.CancelCauseFunc
	mu       sync.Mutex
	procs    []*exec.Cmd
	stopping bool
	wg       sync.WaitGroup
}

func newGroup(o *upOptions, cancel context.CancelCauseFunc) *group {
	return &group{opts: o, cancel: cancel}
}

// start runs a program with its output in DIR/name.log. The kernel ends it with
// its parent, also when that is killed.
func (g *group) start(name, program string, args ...string) error {
	log, err := os.Create(g.opts.path(name + ".log"))
	if err != nil {
		return err
	}
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := startLocked(cmd); err != nil {
		log.Close()
		return fmt.Errorf("start %s: %w", name, err)
	}
	g.mu.Lock()
	g.procs = append(g.procs, cmd)
	g.mu.Unlock()
	g.wg.Go(func() {
		err := cmd.Wait()
		log.Close()
		if name == "kube-apiserver" && g.killed(cmd) {
			if err := g.start(name, program, args...); err != nil {
				g.cancel(err)
			}
			return
		}
		text := tail(g.opts.path(name + ".log"))
		if strings.Contains(text, "address already in use") {
			g.cancel(fmt.Errorf("%w: %s", errPortTaken, name))
			return
		}
		g.cancel(fmt.Errorf("%s ended (%w); its last words:\n%s", name, err, text))
	})
	return nil
}

// starter is the one thread that starts processes: Pdeathsig is bound to the
// thread that forks, and Go's threads come and go.
var starter = func() chan func() {
	ch := make(chan func())
	go func() {
		lockThread()
		for f := range ch {
			f()
		}
	}()
	return ch
}()

func startLocked(cmd *exec.Cmd) error {
	done := make(chan error)
	starter <- func() { done <- cmd.Start() }
	return <-done
}

// killed reports whether somebody else killed a process.
func (g *group) killed(cmd *exec.Cmd) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL && !g.stopping
}

// stop ends all processes, the last started first, and waits for them.
func (g *group) stop() {
	g.mu.Lock()
	procs := g.procs
	g.stopping = true
	g.mu.Unlock()
	for i := len(procs) - 1; i >= 0; i-- {
		_ = procs[i].Process.Signal(syscall.SIGTERM) // it may have ended
	}
	late := time.AfterFunc(3*time.Second, func() {
		for _, p := range procs {
			_ = p.Process.Kill()
		}
	})
	defer late.Stop()
	g.wg.Wait()
}
