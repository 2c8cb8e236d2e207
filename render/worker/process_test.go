package worker

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// asParent has the test's program start a worker that loops, and wait.
const asParent = "start-a-worker-that-loops"

func TestMain(m *testing.M) {
	beHostile()
	Main()
	if len(os.Args) > 1 && os.Args[1] == asParent {
		loop(context.Background())
	}
	os.Exit(m.Run())
}

var simple = &Chart{ID: "simple", Files: []File{
	{"Chart.yaml", []byte("apiVersion: v2\nname: web\nversion: 1.0.0\n")},
	{"templates/c.yaml", []byte("{{ if .Values.loop }}{{ $l := until 100000 }}{{ range $l }}{{ range $l }}{{ end }}{{ end }}{{ end }}a: b\n")},
}}

func loop(ctx context.Context) {
	_, _ = NewPool(DefaultLimits()).Render(ctx, simple, Release{Values: []byte(`{"loop": true}`)}, &Capabilities{KubeVersion: "v1.37.2"}, nil)
}

func render(t *testing.T, p *Pool) error {
	t.Helper()
	_, err := p.Render(For(t.Context(), "alpha"), simple, Release{Values: []byte("{}")}, &Capabilities{KubeVersion: "v1.37.2"}, nil)
	return err
}

// What keeps a worker from being started is told, and is nobody's fault.
func TestAWorkerThatCannotBeStarted(t *testing.T) {
	for program, want := range map[string]string{
		"/nonexistent": "no such file or directory",
		"/etc/passwd":  "permission denied",
		"/bin/true":    "/bin/true does not answer as one",
	} {
		p := NewPool(DefaultLimits())
		p.program = func() (string, error) { return program, nil }
		err := render(t, p)
		var exceeded *Exceeded
		if !errors.Is(err, ErrStart) || errors.As(err, &exceeded) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", program, err)
		}
		if p.turns.working() > 0 {
			t.Errorf("%s: its turn is not over", program)
		}
	}
}

// A worker that something kills is replaced.
func TestAWorkerThatIsKilledIsReplaced(t *testing.T) {
	p := NewPool(Limits{Memory: 128 << 20, Time: 30 * time.Second, Workers: 1, Idle: time.Minute})
	if err := render(t, p); err != nil {
		t.Fatal(err)
	}
	first := p.idle[0]
	first.kill()
	if err := render(t, p); err != nil {
		t.Error(err)
	}
	if len(p.idle) != 1 || p.idle[0] == first {
		t.Error("it was not replaced")
	}
	p.expire(p.idle[0])
}

// A worker that needs to be replaced is, without a word.
func TestAWornWorkerIsReplaced(t *testing.T) {
	p := NewPool(Limits{Memory: 128 << 20, Time: 30 * time.Second, Workers: 1, Idle: time.Minute})
	if err := render(t, p); err != nil {
		t.Fatal(err)
	}
	p.idle[0].calls = maxCalls
	if err := render(t, p); err != nil {
		t.Fatal(err)
	}
	if len(p.idle) != 0 {
		t.Error("it is kept")
	}
}

// A worker dies with who started it, even while a template loops.
func TestAWorkerDiesWithItsParent(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, asParent)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Wait() }() // it was killed
	pid := ""
	wait(t, func() bool { pid = childOf(cmd.Process.Pid); return pid != "" })
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	wait(t, func() bool {
		state, err := os.ReadFile("/proc/" + pid + "/stat")
		return err != nil || strings.Contains(string(state), ") Z ")
	})
}

// childOf is the process that runs as a worker of another one; empty if there is
// none yet.
func childOf(parent int) string {
	procs, err := os.ReadDir("/proc")
	if err != nil {
		return ""
	}
	for _, e := range procs {
		stat, _ := os.ReadFile("/proc/" + e.Name() + "/stat") // it may be gone
		_, rest, _ := strings.Cut(string(stat), ") ")
		if f := strings.Fields(rest); len(f) > 1 && f[1] == strconv.Itoa(parent) {
			return e.Name()
		}
	}
	return ""
}

func wait(t *testing.T, until func() bool) {
	t.Helper()
	for start := time.Now(); !until(); time.Sleep(5 * time.Millisecond) {
		if time.Since(start) > 20*time.Second {
			t.Fatal("it does not come about")
		}
	}
}
