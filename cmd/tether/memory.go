package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/xetys/tether/render/worker"
)

// collectEarly trades processor time for memory, unless GOGC says otherwise: the
// agent keeps little, and throws much away while it deploys.
func collectEarly() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(60)
	}
}

// minMemory is what the agent and two processes that render need.
const minMemory = 512 << 20

// boundMemory shares out what the agent and the processes that render may have together.
// The agent's own share is what Go tries to keep to, unless GOMEMLIMIT says otherwise.
func (f *agentFlags) boundMemory() error {
	if f.memory != "" {
		q, err := resource.ParseQuantity(f.memory)
		if err != nil || q.Value() < minMemory {
			return fmt.Errorf("--memory-limit %s: use an amount like 1Gi, 512Mi or more", f.memory)
		}
		worker.Within(q.Value())
	}
	if own := worker.OwnMemory(); own > 0 && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(own)
	}
	return nil
}

// tellConfinement says once what the processes that render could not be bounded with here.
func tellConfinement(ctx context.Context, log *slog.Logger) {
	lacks, err := worker.Shared().Lacks(ctx)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		log.Warn("no process to render in can be started", "error", err)
	case len(lacks) > 0:
		log.Warn("the processes that render are bounded less than they could be: this machine lacks something", "lacks", strings.Join(lacks, "; "))
	}
}
