//go:build !linux

package worker

import (
	"os"
	"os/exec"
	"runtime/debug"
)

func self() (string, error) { return os.Executable() }

// confine bounds this process as far as Go can: only Linux bounds memory and files
// for sure, and the agent runs there.
func confine(memory int64, _ string) ([]string, error) {
	debug.SetMemoryLimit(memory)
	debug.SetMaxStack(64 << 20)
	return []string{"all but Go's own bounds, since this is not Linux"}, nil
}

func resident() int64 { return 0 }

func start(cmd *exec.Cmd, _ bool) error { return cmd.Start() }
