package worker

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// self is this very program, even if its file was replaced.
func self() (string, error) { return "/proc/self/exe", nil }

const (
	maxStack  = 64 << 20
	slack     = 64 << 20 // Go takes address space in pieces of this size
	moreSpace = 256 << 20
	maxOpen   = 32 // files, while it reads a chart
	stdFiles  = 3
)

// confine bounds this process, once and for all.
func confine(memory int64) error {
	debug.SetMemoryLimit(memory)
	debug.SetMaxStack(maxStack)
	var err error
	if statm, err = os.Open("/proc/self/statm"); err != nil {
		return err
	}
	space, _, err := memoryNow()
	if err != nil {
		return err
	}
	unix.Umask(0o077)
	// When the machine runs out of memory, it is to go first. It is no matter if it
	// can't say so.
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0)
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("give up new privileges: %w", err)
	}
	// What Go opens when it is first needed is opened before nothing can be.
	_ = time.Now().String()
	<-time.After(time.Nanosecond)
	for _, l := range []struct {
		resource int
		max      uint64
	}{
		{unix.RLIMIT_DATA, uint64(memory + slack)},
		{unix.RLIMIT_AS, uint64(space + memory + slack + moreSpace)}, // where RLIMIT_DATA does not count mappings
		{unix.RLIMIT_CORE, 0},
		{unix.RLIMIT_FSIZE, 0},
		{unix.RLIMIT_NOFILE, maxOpen},
	} {
		if err := unix.Setrlimit(l.resource, &unix.Rlimit{Cur: l.max, Max: l.max}); err != nil {
			return fmt.Errorf("set limit %d: %w", l.resource, err)
		}
	}
	return mayOpen(false)
}

// mayOpen says whether files may be opened. Sockets count as files: who may open
// none reaches neither the machine's files nor the network.
func mayOpen(may bool) error {
	l := unix.Rlimit{Cur: stdFiles, Max: maxOpen}
	if may {
		l.Cur = maxOpen
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		return fmt.Errorf("bound the files that may be open: %w", err)
	}
	return nil
}

// statm is where the kernel says how much memory this process has. It stays open,
// since it can't be opened later.
var statm *os.File

// memoryNow returns this process's address space and the memory that it has.
func memoryNow() (space, resident int64, err error) {
	raw := make([]byte, 128)
	n, err := statm.ReadAt(raw, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, 0, err
	}
	if _, err := fmt.Sscan(string(raw[:n]), &space, &resident); err != nil {
		return 0, 0, fmt.Errorf("read %s: %w", statm.Name(), err)
	}
	page := int64(os.Getpagesize())
	return space * page, resident * page, nil
}

// resident is the memory that this process has; zero if that can't be read.
func resident() int64 {
	_, n, _ := memoryNow()
	return n
}

// parent is a thread that never ends: the kernel has a worker die with the thread
// that started it.
var parent = sync.OnceValue(func() chan<- func() {
	starts := make(chan func())
	go func() {
		runtime.LockOSThread()
		for start := range starts {
			start()
		}
	}()
	return starts
})

// keepToSelf marks what this process has open as its own. Go does so with what it
// opens, and not with what was there from the start.
var keepToSelf = sync.OnceFunc(func() {
	_ = unix.CloseRange(stdFiles, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC) // Linux 5.11; before, what was inherited is passed on
})

// start starts a worker so that it dies with this process, and gets no signals
// that a terminal sends to this one.
func start(cmd *exec.Cmd) error {
	keepToSelf()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	done := make(chan error)
	parent() <- func() { done <- cmd.Start() }
	return <-done
}
