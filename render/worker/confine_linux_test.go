package worker

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// tries has the test's program confine itself as a worker does, and try what it may not.
const tries = "confine-yourself-and-try"

// tried is what it says.
type tried struct {
	Lacks   []string
	Results map[string]string // an error, or ok
}

func init() {
	if len(os.Args) > 1 && os.Args[1] == tries {
		os.Exit(tryAll(os.Args[2], os.Args[3], os.Args[4]))
	}
}

func tryAll(folder, kernel, address string) int {
	if kernel == "without Landlock" {
		landlockVersion = func() int { return 0 }
	}
	parent := os.Getppid()
	lacks, err := confine(256<<20, folder)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	out := tried{Lacks: lacks, Results: map[string]string{}}
	for what, try := range attempts(folder, address, parent) {
		err := try()
		if out.Results[what] = "ok"; err != nil {
			out.Results[what] = err.Error()
		}
	}
	raw, _ := json.Marshal(out) // strings
	fmt.Printf("%s\n", raw)
	_, _ = os.Stdin.Read(make([]byte, 1)) // so that it can be looked at
	return 0
}

func attempts(folder, address string, parent int) map[string]func() error {
	called := func(call uintptr, args ...uintptr) func() error {
		return func() error {
			args := append(args, 0, 0, 0, 0, 0, 0)
			if _, _, errno := unix.RawSyscall6(call, args[0], args[1], args[2], args[3], args[4], args[5]); errno != 0 {
				return errno
			}
			return nil
		}
	}
	return map[string]func() error{
		"read /etc/passwd":  func() error { _, err := os.ReadFile("/etc/passwd"); return err },
		"list /":            func() error { _, err := os.ReadDir("/"); return err },
		"read the folder":   func() error { _, err := os.ReadFile(filepath.Join(folder, "file")); return err },
		"write the folder":  func() error { return os.WriteFile(filepath.Join(folder, "new"), nil, 0o600) },
		"remove a file":     func() error { return os.Remove(filepath.Join(folder, "file")) },
		"change a mode":     func() error { return os.Chmod(filepath.Join(folder, "file"), 0o777) },
		"connect":           func() error { _, err := net.Dial("tcp", address); return err },
		"send a datagram":   func() error { _, err := net.Dial("udp", address); return err },
		"make a socket":     called(unix.SYS_SOCKET, unix.AF_UNIX, unix.SOCK_STREAM),
		"make sockets":      called(unix.SYS_SOCKETPAIR, unix.AF_UNIX, unix.SOCK_STREAM, 0, uintptr(unsafe.Pointer(&[2]int32{}))),
		"start a program":   func() error { return exec.Command("/bin/true").Run() },
		"replace itself":    func() error { return unix.Exec("/bin/true", []string{"true"}, nil) },
		"fork":              fork,
		"clone3":            called(unix.SYS_CLONE3, uintptr(unsafe.Pointer(&[11]uint64{})), 88),
		"trace its parent":  func() error { return unix.PtraceAttach(parent) },
		"read its memory":   called(unix.SYS_PROCESS_VM_READV, uintptr(parent)),
		"signal its parent": func() error { return unix.Kill(parent, 0) },
		"signal a thread":   func() error { return unix.Tgkill(parent, parent, 0) },
		"raise a limit":     func() error { return unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 64, Max: 64}) },
		"unshare":           func() error { return unix.Unshare(unix.CLONE_NEWUSER) },
		"begin io_uring":    called(unix.SYS_IO_URING_SETUP, 1),
		"load a program":    called(unix.SYS_BPF),
		"use a key":         called(unix.SYS_KEYCTL),
		"mount":             func() error { return unix.Mount("none", "/", "tmpfs", 0, "") },
		"make machine code": func() error {
			_, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_EXEC, unix.MAP_ANON|unix.MAP_PRIVATE)
			return err
		},
		"become root": called(unix.SYS_SETUID),
		"do its work": work100,
	}
}

// fork ends the new process at once, if there is one.
func fork() error {
	pid, _, errno := unix.RawSyscall(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0)
	if errno != 0 {
		return errno
	}
	if pid == 0 {
		_, _, _ = unix.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
	}
	return nil
}

// work100 takes memory, threads and time.
func work100() error {
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			_ = slices.Repeat([]byte{byte(i)}, 1<<20)
		})
	}
	wg.Wait()
	runtime.GC()
	return nil
}

// cgo reports whether the test was built with it: Go then can't have all threads do the
// same.
func cgo() bool {
	_, _, errno := syscall.AllThreadsSyscall(unix.SYS_GETPID, 0, 0, 0)
	return errors.Is(errno, unix.ENOTSUP)
}

// A worker that is not what it should be gets at nothing: not at files, the network, other
// processes or more rights, on a kernel with Landlock and on one without, which is told.
func TestAWorkerThatTries(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	has := landlockVersion() >= 4 && !cgo()
	for sentence, c := range map[string]struct {
		reads  bool
		kernel string
		may    []string
		lacks  bool
	}{
		"one that evaluates":                      {false, "", []string{"do its work"}, !has},
		"one that evaluates, without Landlock":    {false, "without Landlock", []string{"do its work"}, true},
		"one that reads charts":                   {true, "", []string{"do its work", "read the folder"}, !has},
		"one that reads charts, without Landlock": {true, "without Landlock", []string{"do its work", "read the folder", "read /etc/passwd", "list /"}, true},
	} {
		t.Run(sentence, func(t *testing.T) {
			folder := t.TempDir()
			if err := os.WriteFile(filepath.Join(folder, "file"), []byte("a"), 0o600); err != nil {
				t.Fatal(err)
			}
			have, state := startAndTry(t, folder, c.reads, c.kernel, listener.Addr().String())
			for what, result := range have.Results {
				may := slices.Contains(c.may, what)
				if c.reads && !has && slices.Contains([]string{"read /etc/passwd", "list /"}, what) {
					continue // which is told
				}
				if may != (result == "ok") {
					t.Errorf("%s: %s", what, result)
				}
			}
			if told := slices.ContainsFunc(have.Lacks, func(s string) bool { return strings.Contains(s, "Landlock") }); told != c.lacks {
				t.Errorf("it lacks %q", have.Lacks)
			}
			for _, want := range []string{`NoNewPrivs:\s+1\n`, `Seccomp:\s+2\n`} {
				if !regexp.MustCompile(want).MatchString(state) {
					t.Errorf("its state has no %s:\n%s", want, state)
				}
			}
			if other := regexp.MustCompile(fmt.Sprintf(`Uid:\s+%d\s`, nobody)).MatchString(state); other != (!c.reads && mayBecome() && !keepsUser.Load()) {
				t.Errorf("it is another user's: %t\n%s", other, state)
			}
		})
	}
}

// startAndTry starts the test's program as a worker is started, and returns what it says
// and what the kernel says of it.
func startAndTry(t *testing.T, folder string, reads bool, kernel, address string) (tried, string) {
	t.Helper()
	argument := folder
	if !reads {
		argument = ""
	}
	build := func() *exec.Cmd {
		cmd := exec.Command("/proc/self/exe", tries, argument, kernel, address)
		cmd.Dir, cmd.Stderr, cmd.Env = "/", os.Stderr, environment()
		return cmd
	}
	run := func(cmd *exec.Cmd) (tried, string, error) {
		in, err := cmd.StdinPipe()
		if err != nil {
			return tried{}, "", err
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			return tried{}, "", err
		}
		if err := start(cmd, reads); err != nil {
			return tried{}, "", err
		}
		defer func() { in.Close(); _ = cmd.Wait() }()
		line, err := bufio.NewReader(out).ReadBytes('\n')
		if err != nil {
			return tried{}, "", err
		}
		state, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
		if err != nil {
			return tried{}, "", err
		}
		checkLimits(t, cmd.Process.Pid)
		var have tried
		err = json.Unmarshal(line, &have)
		return have, string(state), err
	}
	have, state, err := run(build())
	if errors.Is(err, errUser) {
		have, state, err = run(build())
	}
	if err != nil {
		t.Fatal(err)
	}
	return have, state
}

// checkLimits holds a process to limits that can't be raised.
func checkLimits(t *testing.T, pid int) {
	t.Helper()
	for _, resource := range []int{unix.RLIMIT_DATA, unix.RLIMIT_AS, unix.RLIMIT_CORE, unix.RLIMIT_FSIZE, unix.RLIMIT_NOFILE} {
		var l unix.Rlimit
		err := unix.Prlimit(pid, resource, nil, &l)
		if errors.Is(err, unix.EPERM) {
			continue // of another user's process
		}
		if err != nil || l.Cur != l.Max || l.Max == unix.RLIM_INFINITY {
			t.Errorf("limit %d is %d, at the most %d, %v", resource, l.Cur, l.Max, err)
		}
	}
}

// What a worker lacks is known to who started it.
func TestWhatAKernelLacksIsTold(t *testing.T) {
	p := NewPool(DefaultLimits())
	lacks, err := p.Lacks(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if full := landlockVersion() >= 4 && !cgo() && auditArch != 0; full != (len(lacks) == 0) {
		t.Errorf("it lacks %q", lacks)
	}
	if len(p.idle) > 0 {
		t.Error("the worker stays, though it is nobody's")
	}
}

func BenchmarkStart(b *testing.B) {
	for name, reads := range map[string]bool{"evaluates": false, "reads": true} {
		b.Run(name, func(b *testing.B) {
			p := NewPool(DefaultLimits())
			for b.Loop() {
				w, err := p.start(b.Context(), reads)
				if err != nil {
					b.Fatal(err)
				}
				w.end()
			}
		})
	}
}
