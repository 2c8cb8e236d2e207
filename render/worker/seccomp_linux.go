package worker

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// calls are the system calls that a worker needs, once it is there: Go's memory, threads,
// clocks and signals to itself, and what is open already. There are none to open, to
// connect, to start, to follow or to signal anything.
var calls = []uint32{
	unix.SYS_READ, unix.SYS_WRITE, unix.SYS_PREAD64, unix.SYS_CLOSE, unix.SYS_FSTAT, unix.SYS_FCNTL,
	unix.SYS_MUNMAP, unix.SYS_MADVISE, unix.SYS_BRK, unix.SYS_FUTEX, unix.SYS_SET_ROBUST_LIST, unix.SYS_RSEQ,
	unix.SYS_RT_SIGACTION, unix.SYS_RT_SIGPROCMASK, unix.SYS_RT_SIGRETURN, unix.SYS_SIGALTSTACK, unix.SYS_RESTART_SYSCALL,
	unix.SYS_SCHED_YIELD, unix.SYS_SCHED_GETAFFINITY, unix.SYS_NANOSLEEP, unix.SYS_CLOCK_NANOSLEEP, unix.SYS_CLOCK_GETTIME, unix.SYS_GETTIMEOFDAY,
	unix.SYS_GETPID, unix.SYS_GETTID, unix.SYS_GETRANDOM, unix.SYS_EXIT, unix.SYS_EXIT_GROUP,
	unix.SYS_EPOLL_CREATE1, unix.SYS_EPOLL_CTL, unix.SYS_EPOLL_PWAIT, unix.SYS_EVENTFD2,
}

// callsOfReaders are those that reading a folder needs beside.
var callsOfReaders = []uint32{unix.SYS_NEWFSTATAT, unix.SYS_GETDENTS64, unix.SYS_READLINKAT, unix.SYS_LSEEK}

// Where the kernel puts what a filter is asked about.
const (
	ofNumber = 0
	ofArch   = 4
	ofArgs   = 16 // 8 bytes each, the lower half first on little-endian machines
)

const (
	allow  = unix.SECCOMP_RET_ALLOW
	refuse = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
	absent = unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
	x32    = 0x40000000 // the bit of amd64's other numbers
)

func load32(at uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: at}
}

func answer(with uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: with}
}

// jump tests what was loaded, and skips instructions if it holds, or if it does not.
func jump(test uint16, k uint32, holds, not uint8) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_K | test, K: k, Jt: holds, Jf: not}
}

// when is a call that depends on one of its arguments: allowed if a test of it holds, or
// does not.
func when(call uint32, arg uint32, test uint16, k uint32, holds bool) []unix.SockFilter {
	ok, bad := uint8(0), uint8(1)
	if !holds {
		ok, bad = 1, 0
	}
	return []unix.SockFilter{jump(unix.BPF_JEQ, call, 0, 4), load32(ofArgs + 8*arg), jump(test, k, ok, bad), answer(allow), answer(refuse)}
}

// filter is what the kernel asks before each system call.
func filter(reads bool) []unix.SockFilter {
	out := []unix.SockFilter{load32(ofArch), jump(unix.BPF_JEQ, auditArch, 1, 0), answer(unix.SECCOMP_RET_KILL_PROCESS), load32(ofNumber),
		jump(unix.BPF_JGE, x32, 0, 1), answer(refuse)}
	all := append(calls[:len(calls):len(calls)], callsOfArch...)
	if reads {
		all = append(all, callsOfReaders...)
		out = append(out, when(unix.SYS_OPENAT, 2, unix.BPF_JSET, unix.O_ACCMODE|unix.O_CREAT|unix.O_TRUNC, false)...)
	}
	for _, c := range all {
		out = append(out, jump(unix.BPF_JEQ, c, 0, 1), answer(allow))
	}
	out = append(out, when(unix.SYS_CLONE, 0, unix.BPF_JSET, unix.CLONE_THREAD, true)...) // threads, and no processes
	out = append(out, when(unix.SYS_TGKILL, 0, unix.BPF_JEQ, uint32(unix.Getpid()), true)...)
	for _, c := range []uint32{unix.SYS_MMAP, unix.SYS_MPROTECT} {
		out = append(out, when(c, 2, unix.BPF_JSET, unix.PROT_EXEC, false)...)
	}
	// Its flags can't be seen: who has it not does with clone.
	return append(out, jump(unix.BPF_JEQ, unix.SYS_CLONE3, 0, 1), answer(absent), answer(refuse))
}

// seccomp has all threads of this process, now and later, make no other system calls. It
// returns what the kernel lacks for that.
func seccomp(reads bool) (lacks []string, err error) {
	if auditArch == 0 {
		return []string{"a filter of system calls for this machine's architecture"}, nil
	}
	f := filter(reads)
	program := unix.SockFprog{Len: uint16(len(f)), Filter: &f[0]}
	thread, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&program)))
	switch {
	case errno == unix.ENOSYS || errno == unix.EINVAL || denied(errno):
		return []string{"seccomp, which filters its system calls"}, nil
	case errno != 0:
		return nil, fmt.Errorf("filter its system calls: %w", errno)
	case thread != 0:
		return nil, fmt.Errorf("filter its system calls: thread %d can't", thread)
	}
	return nil, nil
}
