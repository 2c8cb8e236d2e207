package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

type upOptions struct {
	dir      string
	kwok     string
	nodes    int
	detach   bool
	auditLog bool
}

func (o *upOptions) register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.dir, "dir", "", "the control plane's folder: data, logs, kubeconfig")
	f.StringVar(&o.kwok, "kwok", "", "the kwok binary (default: beside this one)")
	f.IntVar(&o.nodes, "nodes", 5, "how many nodes to add")
	f.BoolVar(&o.auditLog, "audit-log", false, "write DIR/audit.log, a line of metadata per request")
	_ = cmd.MarkFlagRequired("dir") // fails only for unknown flags
}

func newUp() *cobra.Command {
	o := &upOptions{}
	cmd := &cobra.Command{
		Use:   "up --dir DIR",
		Short: "Start a control plane, and wait until it is ready",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.detach {
				return o.detached(cmd.Context())
			}
			return o.supervise(cmd.Context(), func() {
				fmt.Fprintf(cmd.OutOrStdout(), "ready: %s\n", o.kubeconfig())
			})
		},
	}
	o.register(cmd)
	cmd.Flags().BoolVar(&o.detach, "detach", false, "return when it is ready, and leave it running")
	return cmd
}

// newSupervise is what up --detach leaves running.
func newSupervise() *cobra.Command {
	o := &upOptions{}
	cmd := &cobra.Command{
		Use: "supervise", Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.supervise(cmd.Context(), func() { _ = os.WriteFile(o.path("ready"), nil, 0o600) })
		},
	}
	o.register(cmd)
	return cmd
}

func (o *upOptions) path(name string) string { return filepath.Join(o.dir, name) }
func (o *upOptions) kubeconfig() string      { return o.path("kubeconfig") }

// detached starts a supervisor in a session of its own and waits until the
// control plane is ready.
func (o *upOptions) detached(ctx context.Context) error {
	if err := os.MkdirAll(o.dir, 0o700); err != nil {
		return err
	}
	_ = os.Remove(o.path("ready"))
	self, err := os.Executable()
	if err != nil {
		return err
	}
	log, err := os.Create(o.path("supervise.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(self, "supervise", "--dir", o.dir, "--nodes", strconv.Itoa(o.nodes), "--kwok", o.kwok,
		"--audit-log="+strconv.FormatBool(o.auditLog))
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			return fmt.Errorf("it did not start:\n%s", tail(o.path("supervise.log")))
		case <-ctx.Done():
			return errors.Join(ctx.Err(), down(o.dir))
		case <-tick.C:
			if _, err := os.Stat(o.path("ready")); err == nil {
				return nil
			}
		}
	}
}

// supervise runs everything until ctx ends or a part of it dies.
func (o *upOptions) supervise(ctx context.Context, ready func()) error {
	dir, err := filepath.Abs(o.dir)
	if err != nil {
		return err
	}
	o.dir = dir
	if err := os.MkdirAll(o.dir, 0o700); err != nil {
		return err
	}
	if running, _ := alive(o.dir); running {
		return fmt.Errorf("a control plane runs in %s already: end it with controlplane down --dir %s", o.dir, o.dir)
	}
	if err := os.WriteFile(o.path("pid"), []byte(strconv.Itoa(os.Getpid())), 0o600); err != nil {
		return err
	}
	defer os.Remove(o.path("pid"))
	var last error
	for range 3 { // a port that was free may be taken by another in between
		if last = o.once(ctx, ready); last == nil || ctx.Err() != nil || !errors.Is(last, errPortTaken) {
			break
		}
	}
	if ctx.Err() != nil {
		return nil // it was asked to end
	}
	return last
}

var errPortTaken = errors.New("a port was taken meanwhile")

func (o *upOptions) once(ctx context.Context, ready func()) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	p, err := o.plan()
	if err != nil {
		return err
	}
	procs := newGroup(o, cancel)
	defer procs.stop()
	if err := p.start(ctx, procs); err != nil {
		return errors.Join(err, context.Cause(ctx))
	}
	ready()
	<-ctx.Done()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// tail returns the last lines of a log.
func tail(path string) string {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(raw)), "\n")
	return strings.Join(lines[max(0, len(lines)-12):], "\n")
}

func newDown() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "down --dir DIR",
		Short: "End a control plane; one that does not run is fine",
		Args:  cobra.NoArgs,
		RunE:  func(*cobra.Command, []string) error { return down(dir) },
	}
	cmd.Flags().StringVar(&dir, "dir", "", "the folder that up was given")
	_ = cmd.MarkFlagRequired("dir") // fails only for unknown flags
	return cmd
}

// alive reports whether the supervisor of a folder runs. The lock on its pid is
// the folder's name in its command line: pids are used again.
func alive(dir string) (bool, int) {
	raw, err := os.ReadFile(filepath.Join(dir, "pid"))
	if err != nil {
		return false, 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(raw)))
	if err != nil || pid == os.Getpid() {
		return false, 0
	}
	return strings.Contains(commandLine(pid), dir), pid
}

func commandLine(pid int) string {
	raw, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)) // gone: empty
	return strings.ReplaceAll(string(raw), "\x00", " ")
}

// down ends the supervisor, which ends its children, and then whatever still
// runs with the folder in its command line.
func down(dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	if running, pid := alive(dir); running {
		if err := syscall.Kill(pid, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
		gone(func() []int { return only(pid, dir) }, 15*time.Second)
	}
	for _, pid := range remains(dir) {
		_ = syscall.Kill(pid, syscall.SIGKILL) // it may end by itself meanwhile
	}
	if left := gone(func() []int { return remains(dir) }, 5*time.Second); len(left) > 0 {
		return fmt.Errorf("processes %v of %s do not end", left, dir)
	}
	return nil
}

func only(pid int, dir string) []int {
	if strings.Contains(commandLine(pid), dir) {
		return []int{pid}
	}
	return nil
}

// gone waits until find finds nothing, and returns what it still finds.
func gone(find func() []int, timeout time.Duration) []int {
	deadline := time.Now().Add(timeout)
	for {
		left := find()
		if len(left) == 0 || time.Now().After(deadline) {
			return left
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// remains finds processes that were started for a folder.
func remains(dir string) []int {
	var out []int
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		line := commandLine(pid)
		if !strings.Contains(line+" ", dir+"/") && !strings.Contains(line+" ", dir+" ") {
			continue
		}
		if strings.Contains(line, "kwok ") || strings.Contains(line, "controlplane") {
			out = append(out, pid)
		}
	}
	return out
}
