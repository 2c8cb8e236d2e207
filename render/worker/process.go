package worker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/xetys/tether/render/worker/wire"
)

// After these a worker is replaced: it then has grown, or keeps much.
const (
	maxCalls    = 1000
	maxResident = 192 << 20
	maxCharts   = 64 << 20 // bytes that it was sent
)

// startTime is what a worker may take to start on a busy machine.
const startTime = 30 * time.Second

// process is a worker as seen by who started it. One at a time uses it.
type process struct {
	who     string // whose work it does, and nobody else's; empty if it does one call's
	cmd     *exec.Cmd
	wire    *message
	stderr  *head
	memory  int64
	ended   sync.Once
	endErr  error
	expires *time.Timer

	told     told
	calls    int
	resident int64
}

// told is what a worker knows of what it was sent.
type told struct {
	charts map[string]bool
	bytes  int // of them
	caps   *Capabilities
}

// startProcess starts a program as a worker with so much memory, and waits until it is
// there. It also returns what the kernel could not bound it with.
func startProcess(ctx context.Context, program func() (string, error), memory int64, reads bool) (*process, []string, error) {
	if len(os.Args) > 1 && os.Args[1] == argument {
		return nil, nil, errors.New("a worker can't start another one")
	}
	path, err := program()
	if err != nil {
		return nil, nil, err
	}
	w := &process{stderr: &head{}, memory: memory, told: told{charts: map[string]bool{}}}
	w.cmd = exec.Command(path, argument, strconv.FormatInt(memory, 10))
	if reads {
		folder, err := Folder()
		if err != nil {
			return nil, nil, err
		}
		w.cmd.Args = append(w.cmd.Args, folder)
	}
	w.cmd.Args[0] = os.Args[0]
	w.cmd.Dir, w.cmd.Stderr, w.cmd.Env = "/", w.stderr, environment()
	in, err := w.cmd.StdinPipe()
	if err != nil {
		return nil, nil, err
	}
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	w.wire = newWire(out, in)
	if err := start(w.cmd, reads); err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, startTime, fmt.Errorf("it was not there after %s", startTime))
	defer cancel()
	defer context.AfterFunc(ctx, w.kill)()
	hello := &response{}
	if err := w.wire.Receive(hello, maxHello); err != nil {
		w.end()
		if ctx.Err() != nil {
			return nil, nil, context.Cause(ctx)
		}
		return nil, nil, fmt.Errorf("%s does not answer as one, %w: %s", path, w.endErr, w.stderr.line())
	}
	if hello.holds() != 0 {
		w.end()
		return nil, nil, fmt.Errorf("%s does not answer as one: it has results before it was asked", path)
	}
	w.resident = hello.Resident
	return w, hello.Lacks, nil
}

// environment is all that a worker sees of this process's environment: no token,
// no password. The zone is what dates are printed in.
func environment() []string {
	env := []string{"GOMAXPROCS=2"} // one for the templates, one to collect garbage and to listen
	if zone, ok := os.LookupEnv("TZ"); ok {
		env = append(env, "TZ="+zone)
	}
	return env
}

// call sends a request and answers questions until there is a response. A worker
// whose time is up, or that fails, is ended.
func (w *process) call(ctx context.Context, r *request, c *Chart, caps *Capabilities, lookup Lookup) (*response, error) {
	stop := context.AfterFunc(ctx, w.kill)
	out, err := w.converse(w.complete(r, c, caps), lookup)
	if !stop() || err != nil {
		w.end()
		return nil, w.why(ctx, r.Do, err)
	}
	w.calls, w.resident = w.calls+1, out.Resident
	if out.Error == "" && caps != nil {
		w.told.caps = caps
	}
	if out.Error == "" && c != nil && !w.told.charts[c.ID] {
		w.told.charts[c.ID] = true
		w.told.bytes += c.size()
	}
	return out, nil
}

// callNumber counts the calls of this process: no two workers have one in common.
var callNumber atomic.Uint64

// complete numbers a call, and adds to a request what the worker lacks.
func (w *process) complete(r *request, c *Chart, caps *Capabilities) *request {
	out := *r
	out.Call = callNumber.Add(1)
	if c != nil {
		out.Chart = c.ID
		if !w.told.charts[c.ID] {
			out.NewChart = c
		}
	}
	if caps != nil && (w.told.caps == nil || w.told.caps.KubeVersion != caps.KubeVersion || !slices.Equal(w.told.caps.APIVersions, caps.APIVersions)) {
		out.Capabilities = caps
	}
	return &out
}

func (w *process) converse(asked *request, lookup Lookup) (*response, error) {
	for r := asked; ; {
		if err := w.wire.Send(r, maxMessage); err != nil {
			return nil, err
		}
		out, err := w.accept(asked)
		if err != nil || out.Question == nil {
			return out, err
		}
		r = &request{Call: asked.Call}
		if lookup != nil {
			if r.Answer, err = lookup(*out.Question); err != nil {
				r.AnswerError = short(err.Error())
			}
		}
	}
}

// errFalse says that a worker sends what no worker sends: it does not do what its program
// says any more.
var errFalse = errors.New("what it sends is no answer")

// accept receives what a worker sends in a call, and refuses what is no answer to it.
func (w *process) accept(r *request) (*response, error) {
	out := &response{}
	if err := w.wire.Receive(out, r.Do.most()); err != nil {
		if errors.Is(err, wire.ErrTooLarge) || errors.Is(err, wire.ErrNoMessage) {
			return nil, fmt.Errorf("%w: %w", errFalse, err)
		}
		return nil, err
	}
	if err := out.answers(r); err != nil {
		return nil, fmt.Errorf("%w: %w", errFalse, err)
	}
	return out, nil
}

// reads reports whether the worker reads files of the folder for charts, which it was named.
// It does nothing else.
func (w *process) reads() bool { return len(w.cmd.Args) == 4 }

// worn reports whether the worker is to be replaced.
func (w *process) worn() bool {
	return w.calls >= maxCalls || w.resident > min(maxResident, w.memory) || w.told.bytes > maxCharts
}

func (w *process) kill() { _ = w.cmd.Process.Kill() } // it may have ended by itself

// end kills the worker, if it still runs, and waits until it is gone.
func (w *process) end() {
	w.ended.Do(func() {
		w.kill()
		w.endErr = w.cmd.Wait()
	})
}

// outOfMemory are the ways in which Go's runtime ends for want of memory. Its
// garbage collector does not always look whether it got what it asked for.
var outOfMemory = []string{"out of memory", "cannot allocate memory", "cannot map pages", "failed to create new OS thread",
	"pthread_create failed", "SIGSEGV: segmentation violation"}

// why says why a worker that was ended did not do what it should.
func (w *process) why(ctx context.Context, do operation, err error) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, errFalse) && w.calls > 0:
		return errUsed // what it did before may be what took it over
	case errors.Is(err, errFalse):
		return &Exceeded{fmt.Sprintf("%s spoils the process that it happens in: %v", do.subject(), err)}
	case errors.Is(err, wire.ErrTooLarge): // it was not sent
		return &Exceeded{fmt.Sprintf("%s needs more than %d MiB to be sent there: split the release", do.subject(), maxMessage>>20)}
	}
	text := w.stderr.String()
	var exit *exec.ExitError
	switch {
	case strings.Contains(text, "stack exceeds"):
		return &Exceeded{do.tooDeep()}
	case containsAny(text, outOfMemory...):
		if w.calls > 0 {
			return errUsed
		}
		return &Exceeded{do.tooBig(w.memory)}
	case errors.As(w.endErr, &exit) && exit.Sys().(syscall.WaitStatus).Signaled():
		return errKilled
	case w.calls > 0:
		return errUsed
	}
	return &Exceeded{fmt.Sprintf("%s ended the process that it happens in, %v: %s", do.subject(), w.endErr, w.stderr.line())}
}

func containsAny(text string, words ...string) bool {
	return slices.ContainsFunc(words, func(word string) bool { return strings.Contains(text, word) })
}
