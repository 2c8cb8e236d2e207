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
	"sync/atomic"
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
	maxOpen   = 32 // files, of one that reads charts
	stdFiles  = 3
)

// confine bounds this process, once and for all: its memory, what it may open and which
// system calls it makes. folder is what it may read; nothing if it is empty. It returns
// what the kernel lacks to bound it so.
func confine(memory int64, folder string) (lacks []string, err error) {
	debug.SetMemoryLimit(memory)
	debug.SetMaxStack(maxStack)
	if statm, err = os.Open("/proc/self/statm"); err != nil {
		return nil, err
	}
	unix.Umask(0o077)
	// When the machine runs out of memory, it is to go first. It is no matter if it
	// can't say so.
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0)
	// Go opens some files when it first needs them: have it do so before no file can be opened.
	_ = time.Now().String()
	<-time.After(time.Nanosecond)
	runtime.LockOSThread() // the filter goes from one thread that has given up privileges to all others
	defer runtime.UnlockOSThread()
	lacks, err = limit(memory)
	if err != nil {
		return nil, err
	}
	if err := unprivileged(); err != nil {
		return nil, err
	}
	more, err := landlock(folder)
	if err != nil {
		return nil, err
	}
	lacks = append(lacks, more...)
	if err := mayOpen(folder != ""); err != nil {
		return nil, err
	}
	more, err = seccomp(folder != "")
	return append(lacks, more...), err
}

// limit sets what the kernel counts. No limit can be raised again. Memory has to be bounded;
// a kernel in user space may lack others, which are returned.
func limit(memory int64) (lacks []string, err error) {
	space, _, err := memoryNow()
	if err != nil {
		return nil, err
	}
	for _, l := range []struct {
		resource int
		max      uint64
		what     string // empty for what has to be
	}{
		{unix.RLIMIT_DATA, uint64(memory + slack), ""},
		{unix.RLIMIT_AS, uint64(space + memory + slack + moreSpace), ""}, // where RLIMIT_DATA does not count mappings
		{unix.RLIMIT_CORE, 0, "a limit of core dumps"},
		{unix.RLIMIT_FSIZE, 0, "a limit of what files it may write"},
		{unix.RLIMIT_MEMLOCK, 0, "a limit of locked memory"},
		{unix.RLIMIT_MSGQUEUE, 0, "a limit of message queues"},
	} {
		err := unix.Setrlimit(l.resource, &unix.Rlimit{Cur: l.max, Max: l.max})
		switch {
		case err == nil:
		case l.what == "":
			return nil, fmt.Errorf("set limit %d: %w", l.resource, err)
		default:
			lacks = append(lacks, l.what)
		}
	}
	return lacks, nil
}

// mayOpen says whether files may be opened. Sockets count as files: who may open none
// reaches neither the machine's files nor the network.
func mayOpen(reads bool) error {
	most := uint64(stdFiles)
	if reads {
		most = maxOpen
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: most, Max: most}); err != nil {
		return fmt.Errorf("bound the files that may be open: %w", err)
	}
	return nil
}

// unprivileged has this process get no privileges by what it starts, and nobody look into
// it: what it is given may be secret.
func unprivileged() error {
	_, _, errno := syscall.AllThreadsSyscall6(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0)
	if errors.Is(errno, unix.ENOTSUP) { // with cgo: the filter takes it to the other threads
		errno = 0
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return fmt.Errorf("give up new privileges: %w", err)
		}
	}
	if errno != 0 {
		return fmt.Errorf("give up new privileges: %w", errno)
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("keep others from looking into it: %w", err)
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

// nobody is the user, and the group, that workers run as if the agent may choose: it has
// no files, and no other processes.
const nobody = 65533

// start starts a worker so that it dies with this process, and gets no signals
// that a terminal sends to this one. One that reads no files is nobody's, if this process
// may start such, and end it.
func start(cmd *exec.Cmd, reads bool) error {
	keepToSelf()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	other := !reads && mayBecome() && !keepsUser.Load()
	if other {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	}
	done := make(chan error)
	parent() <- func() { done <- cmd.Start() }
	err := <-done
	if err != nil && other { // the user is not known in this namespace, or the program's file not open to it
		keepsUser.Store(true)
		return fmt.Errorf("%w: %w", errUser, err)
	}
	return err
}

// keepsUser says that workers can't be started as another user.
var keepsUser atomic.Bool

// mayBecome reports whether this process may start others as another user, and end them.
var mayBecome = sync.OnceValue(func() bool {
	var data [2]unix.CapUserData
	if err := unix.Capget(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &data[0]); err != nil {
		return false
	}
	const wanted = 1<<unix.CAP_SETUID | 1<<unix.CAP_SETGID | 1<<unix.CAP_KILL
	return data[0].Effective&wanted == wanted
})
