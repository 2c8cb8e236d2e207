package rollout

import (
	"fmt"
	"strings"

	"github.com/xetys/tether/agent/veil"
	"github.com/xetys/tether/apply/pods"
	"github.com/xetys/tether/apply/wait"
	"github.com/xetys/tether/render"
	"github.com/xetys/tether/source/printable"
)

// Bounds of a container's log in the ledger, which is bounded itself.
const (
	maxLogLines = 10
	maxLogLine  = 300
)

// withOutput adds to why a rollout failed how a container's log ends, where the cluster told,
// and keeps the last lines in the outcome. That a log can't be read is said in the agent's own.
func (x *Executor) withOutput(j *run, err error) error {
	out := wait.Said(err)
	if out == nil {
		return err
	}
	if out.Err != nil {
		x.Log.Warn("the log of a pod can't be read", "release", j.Spec.Name, "pod", out.Pod, "container", out.Container, "error", out.Err)
		return err
	}
	said := lines(x.Veil, j, out)
	if len(said) == 0 {
		return err
	}
	j.outcome.Log = said
	return fmt.Errorf("%w; the log of pod %s, container %s, ends: %s", err, out.Pod, out.Container, said[len(said)-1])
}

// lines are a log's last ones, without secrets. They are cut after these were taken out: a
// part of one could not be told.
func lines(v *veil.Veil, j *run, out *pods.Output) []string {
	text := v.Text(render.MaskOutput(j.Veil(), out.Text, out.Given))
	var all []string
	for line := range strings.Lines(text) {
		if line = printable.Line(line, maxLogLine); line != "" {
			all = append(all, line)
		}
	}
	return all[max(0, len(all)-maxLogLines):]
}
