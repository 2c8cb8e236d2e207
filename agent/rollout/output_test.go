package rollout

import (
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/xetys/tether/agent/assess"
	"github.com/xetys/tether/agent/veil"
	"github.com/xetys/tether/apply/pods"
	"github.com/xetys/tether/apply/wait"
)

// A failure ends with the last line of a log, and its outcome keeps a few; what a terminal
// would obey is replaced, and what is long is cut.
func TestAFailureSaysHowTheLogEnds(t *testing.T) {
	log := &strings.Builder{}
	x := &Executor{recorder{Site: &assess.Site{Veil: &veil.Veil{}}, Options: Options{Log: slog.New(slog.NewTextHandler(log, nil))}}}
	failed := func(out *pods.Output) error { return &wait.UnhealthyError{Output: out} }
	j := &run{Release: &assess.Release{}}
	text := strings.Repeat("line\n", 30) + "\n" + strings.Repeat("x", 5000) + "\npanic: \x1b]0;evil\x07 no db\n"
	err := x.withOutput(j, failed(&pods.Output{Pod: "web-1", Container: "web", Text: text}))
	if !strings.HasSuffix(err.Error(), "; the log of pod web-1, container web, ends: panic: \ufffd]0;evil\ufffd no db") {
		t.Errorf("it says %q", err)
	}
	if n := len(j.outcome.Log); n != maxLogLines || len(j.outcome.Log[n-2]) > maxLogLine+3 || j.outcome.Log[0] != "line" {
		t.Errorf("%d lines are kept: %q", n, j.outcome.Log)
	}
	var unhealthy *wait.UnhealthyError
	if !errors.As(err, &unhealthy) {
		t.Error("it is no UnhealthyError any more")
	}

	j = &run{Release: &assess.Release{}}
	for sentence, out := range map[string]*pods.Output{
		"a log that can't be read": {Pod: "web-1", Err: pods.ErrLogsDenied},
		"a log without text":       {Pod: "web-1", Text: "\n\n"},
		"no log":                   nil,
	} {
		plain := failed(out)
		if err := x.withOutput(j, plain); err != plain || len(j.outcome.Log) > 0 {
			t.Errorf("%s: %v, %q", sentence, err, j.outcome.Log)
		}
	}
	if !strings.Contains(log.String(), pods.ErrLogsDenied.Error()) {
		t.Errorf("the log says %q", log)
	}
}
