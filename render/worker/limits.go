package worker

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// Limits bound what evaluating a repository may take.
type Limits struct {
	// Memory is what one worker may have, in bytes.
	Memory int64
	// Time is what one release may take.
	Time time.Duration
	// Workers is how many there are at once.
	Workers int
	// Idle is how long a worker is kept that has nothing to do.
	Idle time.Duration
}

const (
	ownMemory  = 256 << 20 // is left to who starts workers
	minMemory  = 128 << 20
	goodMemory = 256 << 20 // rather fewer workers than less
	maxMemory  = 512 << 20
	minWorkers = 2 // so that one that is held up leaves another
	maxWorkers = 4
)

// DefaultLimits fit the machine, or the container.
func DefaultLimits() Limits {
	l := Limits{Memory: maxMemory, Time: 30 * time.Second, Idle: 10 * time.Second,
		Workers: min(max(runtime.GOMAXPROCS(0), minWorkers), maxWorkers)}
	if all, ok := memoryOfAll(); ok {
		free := all - ownMemory
		l.Workers = min(l.Workers, max(int(free/goodMemory), minWorkers))
		l.Memory = min(max(free/int64(l.Workers), minMemory), maxMemory)
	}
	return l
}

// within is what this process and its workers may have together, if that was said.
var within int64

// Within says what this process and its workers may have together, in bytes. It is called
// before the first worker is started.
func Within(memory int64) { within = memory }

// OwnMemory is what is left to this process; zero if it is not bounded. Workers seldom
// have all that they may, all at once: it is a third at least.
func OwnMemory() int64 {
	all, ok := memoryOfAll()
	if !ok {
		return 0
	}
	l := DefaultLimits()
	return max(all-l.Memory*int64(l.Workers), all/3)
}

func memoryOfAll() (int64, bool) {
	if within > 0 {
		return within, true
	}
	return containerMemory()
}

// unlimited is what version 1 of control groups has for no limit, roughly.
const unlimited = 1 << 60

// containerMemory is what this container may have, if it is bounded.
func containerMemory() (int64, bool) {
	for _, file := range []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		raw, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(string(raw)), 10, 64)
		return n, err == nil && n < unlimited // "max" is no number
	}
	return 0, false
}
