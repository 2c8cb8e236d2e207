package worker

import (
	"errors"
	"fmt"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// These are the rights that Landlock can take away, by the version of its interface that brought it. All of it
// is taken but for what a folder's rule gives back.
var (
	landlockFiles = map[int]uint64{
		1: unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR |
			unix.LANDLOCK_ACCESS_FS_REMOVE_DIR | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE | unix.LANDLOCK_ACCESS_FS_MAKE_CHAR | unix.LANDLOCK_ACCESS_FS_MAKE_DIR |
			unix.LANDLOCK_ACCESS_FS_MAKE_REG | unix.LANDLOCK_ACCESS_FS_MAKE_SOCK | unix.LANDLOCK_ACCESS_FS_MAKE_FIFO | unix.LANDLOCK_ACCESS_FS_MAKE_BLOCK |
			unix.LANDLOCK_ACCESS_FS_MAKE_SYM,
		2: unix.LANDLOCK_ACCESS_FS_REFER,
		3: unix.LANDLOCK_ACCESS_FS_TRUNCATE,
		5: unix.LANDLOCK_ACCESS_FS_IOCTL_DEV,
	}
	landlockNet = map[int]uint64{4: unix.LANDLOCK_ACCESS_NET_BIND_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_TCP}
	// Signals are not scoped: until the erratum of early 2025 (kernel commit 18eb75f3af40) that
	// kept a process's own threads from each other, which Go needs. The filter of system calls
	// lets a worker signal itself alone.
	landlockScope = map[int]uint64{6: unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET}
)

// upTo is what there is up to a version.
func upTo(version int, rights map[int]uint64) uint64 {
	var out uint64
	for v, r := range rights {
		if v <= version {
			out |= r
		}
	}
	return out
}

// landlockVersion is the kernel's; zero if it has none, or has it turned off.
var landlockVersion = func() int {
	v, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return 0
	}
	return int(v)
}

// landlock takes from this process all files and the network, but for reading a folder if
// one is named. It returns what the kernel lacks for that.
func landlock(folder string) (lacks []string, err error) {
	version := landlockVersion()
	switch {
	case version < 1:
		return []string{"Landlock, which keeps files from it"}, nil
	case version < 4:
		lacks = append(lacks, "Landlock for the network (its version is "+fmt.Sprint(version)+")")
	}
	rules := unix.LandlockRulesetAttr{Handled_access_fs: upTo(version, landlockFiles), Handled_access_net: upTo(version, landlockNet), Scoped: upTo(version, landlockScope)}
	set, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&rules)), unsafe.Sizeof(rules), 0)
	if denied(errno) {
		return []string{"Landlock, which keeps files from it: " + errno.Error()}, nil
	}
	if errno != 0 {
		return nil, fmt.Errorf("begin with Landlock: %w", errno)
	}
	defer unix.Close(int(set))
	if folder != "" {
		if err := giveBack(int(set), folder); err != nil {
			return nil, err
		}
	}
	_, _, errno = syscall.AllThreadsSyscall(unix.SYS_LANDLOCK_RESTRICT_SELF, set, 0, 0)
	if errors.Is(errno, unix.ENOTSUP) {
		return []string{"Landlock, since it was built with cgo"}, nil
	}
	if denied(errno) {
		return []string{"Landlock, which keeps files from it: " + errno.Error()}, nil
	}
	if errno != 0 {
		return nil, fmt.Errorf("enter Landlock: %w", errno)
	}
	return lacks, nil
}

// denied reports whether a sandbox around this process has something denied to it, which
// then does in its place: a container's profile, or a kernel in user space.
func denied(errno syscall.Errno) bool { return errno == unix.EPERM || errno == unix.EACCES }

// giveBack lets a folder be read.
func giveBack(set int, folder string) error {
	at, err := unix.Open(folder, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open %s: %w", folder, err)
	}
	defer unix.Close(at)
	rule := unix.LandlockPathBeneathAttr{Allowed_access: unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR, Parent_fd: int32(at)}
	if _, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(set), unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&rule)), 0, 0, 0); errno != 0 {
		return fmt.Errorf("have %s read: %w", folder, errno)
	}
	return nil
}
