package worker

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/xetys/tether/render/manifest"
	"github.com/xetys/tether/render/patch"
)

// hostile are workers that were taken over, by name: what each sends to who started it, in
// place of what was asked for. The name is that of the program.
var hostile = map[string]func(w *message){
	"hello-is-large":    func(w *message) { say(w, &response{Lacks: []string{strings.Repeat("x", 100<<20)}}) },
	"hello-is-a-result": func(w *message) { say(w, &response{Rendered: &Rendered{Manifest: "a: b"}}) },

	"many-empty-hooks": answers(func(r *request) *response { return &response{Rendered: &Rendered{Hooks: make([]Hook, 1<<20)}} }),
	"many-empty-objects": answers(func(r *request) *response {
		return &response{Rendered: &Rendered{Objects: make([]manifest.Document, 3<<20)}}
	}),
	"many-empty-patched": answers(func(r *request) *response { return &response{Patched: make([]patch.Changed, 4<<20)} }),
	"a-long-text": answers(func(r *request) *response {
		return &response{Rendered: &Rendered{Manifest: strings.Repeat("x", 120<<20)}}
	}),
	"a-long-path": answers(func(r *request) *response {
		return &response{Rendered: &Rendered{Hooks: []Hook{{Path: strings.Repeat("x", 40<<20)}}}}
	}),
	"a-long-error":   answers(func(r *request) *response { return &response{Error: strings.Repeat("x", 120<<20)} }),
	"a-large-object": answers(func(r *request) *response { return rendered(`{"a":"` + strings.Repeat("x", 40<<20) + `"}`) }),
	"many-values":    answers(func(r *request) *response { return rendered(`{"a":[` + strings.Repeat("1,", maxValues) + `1]}`) }),
	"many-defaults": answers(func(r *request) *response {
		return &response{Rendered: &Rendered{Defaults: []byte("[" + strings.Repeat("{},", 100_000) + "{}]")}}
	}),

	"nothing":             answers(func(r *request) *response { return &response{} }),
	"another's-result":    answers(func(r *request) *response { return &response{Outline: []byte(`{"Metadata":{}}`)} }),
	"an-error-and-more":   answers(func(r *request) *response { return &response{Error: "a", Rendered: &Rendered{}} }),
	"a-patch-before-all":  answers(func(r *request) *response { return &response{Error: "a", At: -1} }),
	"a-patch-beyond-all":  answers(func(r *request) *response { return &response{Error: "a", At: 1 << 40} }),
	"too-few-patched":     answers(func(r *request) *response { return &response{Patched: []patch.Changed{}} }),
	"a-question-too-many": answers(func(r *request) *response { return &response{Question: &Question{Kind: "Secret"}} }),
	"a-large-outline": answers(func(r *request) *response {
		return &response{Outline: []byte(`{"Metadata":{},"Dependencies":[` + strings.Repeat("{},", 300_000) + "{}]}")}
	}),
	"a-hollow-outline": answers(func(r *request) *response {
		return &response{Outline: []byte(`{"Metadata":{"dependencies":[null]},"Dependencies":[null]}`)}
	}),
	"a-result-of-before": answers(func(r *request) *response { out := rendered("{}"); out.Call = r.Call - 1; return out }),

	"half-a-message":   raw(func(whole []byte) []byte { return whole[:len(whole)/2] }),
	"no-message":       raw(func(whole []byte) []byte { return bytes.Repeat([]byte{0xff}, 1<<20) }),
	"lengths-that-lie": raw(func(whole []byte) []byte { return bytes.Repeat([]byte{1, 0xff, 0xff, 0xff, 0x1f}, 1<<10) }),
}

// say sends without a bound.
func say(w *message, m *response) { _ = w.Send(m, 1<<40) } // who started it may have hung up

func rendered(json string) *response {
	return &response{Rendered: &Rendered{Objects: []manifest.Document{{JSON: []byte(json)}}}}
}

// answers is a worker that is there, and gives a false answer.
func answers(with func(*request) *response) func(*message) {
	return func(w *message) {
		say(w, &response{})
		for {
			r := &request{}
			if w.Receive(r, maxMessage) != nil {
				return
			}
			out := with(r)
			if out.Call == 0 {
				out.Call = r.Call
			}
			say(w, out)
		}
	}
}

// raw is a worker that is there, and then sends what it makes of a message.
func raw(of func([]byte) []byte) func(*message) {
	return func(w *message) {
		say(w, &response{})
		r := &request{}
		if w.Receive(r, maxMessage) != nil {
			return
		}
		var b bytes.Buffer
		say(newWire(nil, &b), &response{Call: r.Call, Rendered: &Rendered{Manifest: strings.Repeat("x", 1000)}})
		_, _ = os.Stdout.Write(of(b.Bytes())) // as above
	}
}

// beHostile has the test's program be a hostile worker, if it bears the name of one.
func beHostile() {
	name, err := os.Executable()
	if is := hostile[filepath.Base(name)]; err == nil && is != nil {
		is(newWire(os.Stdin, os.Stdout))
		os.Exit(0)
	}
}

// hostilePool has workers of that name.
func hostilePool(t *testing.T, name string) *Pool {
	t.Helper()
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer self.Close()
	program := filepath.Join(t.TempDir(), name)
	to, err := os.OpenFile(program, os.O_CREATE|os.O_WRONLY, 0o700) //nolint:gosec // it is a program
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(to, self); err != nil {
		t.Fatal(err)
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	p := NewPool(Limits{Memory: 128 << 20, Time: 20 * time.Second, Workers: 1, Idle: time.Minute})
	p.program = func() (string, error) { return program, nil }
	t.Cleanup(func() {
		for len(p.idle) > 0 {
			p.expire(p.idle[0])
		}
	})
	return p
}

// What a worker that was taken over sends is refused by who started it, with a sentence, and
// takes no more memory there than the largest result that is allowed.
func TestAWorkerThatWasTakenOver(t *testing.T) {
	const most = 3 * maxResult // what is allocated in all, collected or not
	for name := range hostile {
		t.Run(name, func(t *testing.T) {
			p := hostilePool(t, name)
			patches, objects := []patch.Patch{{}}, [][]byte{[]byte("{}")}
			for operation, do := range map[string]func() error{
				"load":     func() error { _, err := p.Load(t.Context(), "/tmp"); return err },
				"describe": func() error { _, err := p.Describe(t.Context(), simple); return err },
				"check":    func() error { return p.Check(t.Context(), simple, Release{}) },
				"render": func() error {
					_, err := p.Render(t.Context(), simple, Release{}, &Capabilities{}, nil)
					return err
				},
				"patch": func() error { _, err := p.Patch(t.Context(), patches, objects); return err },
			} {
				if right(name, operation) {
					continue
				}
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				err := do()
				runtime.ReadMemStats(&after)
				var helm *HelmError
				if err == nil || errors.As(err, &helm) || len(err.Error()) > 500 || !sentence(err) {
					t.Errorf("%s: %.600v", operation, err)
				}
				if took := after.TotalAlloc - before.TotalAlloc; took > most {
					t.Errorf("%s took %d MiB, %.200v", operation, took>>20, err)
				}
			}
		})
	}
}

// right says whether an operation may be answered so.
func right(name, operation string) bool {
	switch name {
	case "nothing", "too-few-patched":
		return operation == "check"
	case "another's-result":
		return operation == "load" || operation == "describe"
	case "a-question-too-many": // until its time is up
		return operation == "render"
	case "taken-over-by-a-release":
		return operation == "render" || operation == "check"
	case "answers-twice":
		return true
	}
	return false
}

func sentence(err error) bool {
	var exceeded *Exceeded
	return errors.Is(err, ErrStart) || errors.As(err, &exceeded)
}

// What one call leaves in the pipe is no answer to the next one: that is somebody else's.
func TestAnAnswerThatWasNotAskedFor(t *testing.T) {
	p := hostilePool(t, "answers-twice")
	first, second := &Rendered{}, &Rendered{}
	for _, out := range []**Rendered{&first, &second} {
		var err error
		if *out, err = p.Render(For(t.Context(), "alpha"), simple, Release{}, &Capabilities{}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if !strings.HasPrefix(first.Manifest, "right") || !strings.HasPrefix(second.Manifest, "right") || first.Manifest == second.Manifest {
		t.Errorf("%q, and then %q", first.Manifest, second.Manifest)
	}
}

func init() {
	hostile["answers-twice"] = func(w *message) {
		say(w, &response{})
		for {
			r := &request{}
			if w.Receive(r, maxMessage) != nil {
				return
			}
			say(w, &response{Call: r.Call, Rendered: &Rendered{Manifest: fmt.Sprint("right ", r.Call)}})
			say(w, &response{Call: r.Call, Rendered: &Rendered{Manifest: "false"}})
		}
	}
}
