package worker

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func init() {
	// It does what it should until a release named "takeover" comes.
	hostile["taken-over-by-a-release"] = func(w *message) {
		say(w, &response{})
		by := "nobody"
		for {
			r := &request{}
			if w.Receive(r, maxMessage) != nil {
				return
			}
			if r.Release.Name == "takeover" {
				by = r.Release.Namespace
			}
			say(w, &response{Call: r.Call, Rendered: &Rendered{Manifest: by}})
		}
	}
}

// A worker that one environment's chart took over never answers another environment: whoever
// comes next, however many work at once.
func TestAWorkerAnswersOneEnvironmentOnly(t *testing.T) {
	for _, workers := range []int{1, 3} {
		t.Run(fmt.Sprint(workers), func(t *testing.T) {
			p := hostilePool(t, "taken-over-by-a-release")
			p.limits.Workers, p.turns = workers, newTurns(workers)
			render := func(who, release string) string {
				ctx := t.Context()
				if who != "" {
					ctx = For(ctx, who)
				}
				out, err := p.Render(ctx, simple, Release{Name: release, Namespace: "taken over by " + who}, &Capabilities{}, nil)
				if err != nil {
					t.Error(err)
					return ""
				}
				return out.Manifest
			}
			var all sync.WaitGroup
			for _, who := range []string{"alpha", "beta", "gamma", "alpha", ""} {
				all.Go(func() {
					for i := range 4 {
						if who == "alpha" {
							render(who, "takeover")
						}
						if by := render(who, "web"); by != "nobody" && (who != "alpha" || by != "taken over by alpha") {
							t.Errorf("%s, the %d. time: %s", who, i, by)
						}
					}
				})
			}
			all.Wait()
			if render("alpha", "takeover"); workers == 1 && render("alpha", "web") != "taken over by alpha" {
				t.Error("nothing was taken over: this test shows nothing")
			}
			render("", "takeover")
			if by := render("", "web"); by != "nobody" {
				t.Errorf("what is nobody's: %s", by)
			}
		})
	}
}

// Many environments have no more workers than one, at any time, and each goes on with its
// own for a while, so that few are started.
func TestManyEnvironmentsHaveFewWorkers(t *testing.T) {
	const environments, calls, most = 12, 20, 2
	p := hostilePool(t, "taken-over-by-a-release")
	p.limits.Workers, p.turns = most, newTurns(most)
	program, starts := p.program, atomic.Int32{}
	p.program = func() (string, error) { starts.Add(1); return program() }
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	worst, watched := 0, make(chan struct{})
	go func() {
		defer close(watched)
		for ctx.Err() == nil {
			worst = max(worst, childrenNow(t))
		}
	}()
	start := time.Now()
	var all sync.WaitGroup
	for i := range environments {
		all.Go(func() {
			for range calls {
				if _, err := p.Render(For(t.Context(), fmt.Sprint("environment ", i)), simple, Release{}, &Capabilities{}, nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	stop()
	<-watched
	if worst > most {
		t.Errorf("%d workers were there at once", worst)
	}
	if n := starts.Load(); n > environments*calls/4 {
		t.Errorf("%d workers were started for %d calls", n, environments*calls)
	}
	t.Logf("%d starts for %d calls, in %s", starts.Load(), environments*calls, time.Since(start))
}

// childrenNow is how many processes this one started that have not ended.
func childrenNow(t *testing.T) int {
	t.Helper()
	lists, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, l := range lists {
		raw, _ := os.ReadFile(l) // a thread may have ended
		for _, pid := range strings.Fields(string(raw)) {
			stat, err := os.ReadFile("/proc/" + pid + "/stat")
			if err == nil && !strings.Contains(string(stat), ") Z ") {
				n++
			}
		}
	}
	return n
}
