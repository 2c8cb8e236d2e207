package worker

import "golang.org/x/sys/unix"

const auditArch = unix.AUDIT_ARCH_X86_64

// callsOfArch are those that threads begin with on this architecture.
var callsOfArch = []uint32{unix.SYS_ARCH_PRCTL}
