package graph

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestGraphRunsWhatIsUnblockedAndSaysWhatIsNot(t *testing.T) {
	var g Graph
	g.Add("app", "backend")
	g.Add("backend", "database")
	g.Add("database")
	g.Add("worker", "database", "not part of the work")
	g.Add("a", "b")
	g.Add("b", "a")
	results := g.Run(t.Context(), func(_ context.Context, name string) error {
		if name == "backend" {
			return errors.New("no")
		}
		return nil
	})
	for name, want := range map[string]string{"database": "", "worker": "", "backend": "no", "app": "backend", "a": "b", "b": "a"} {
		r := results[name]
		have := strings.Join(r.Blocked, ",")
		if r.Err != nil {
			have = r.Err.Error()
		}
		if have != want {
			t.Errorf("%s: %q, want %q", name, have, want)
		}
	}
}

// BenchmarkGraph runs 1,000 releases in chains of ten that do nothing.
func BenchmarkGraph(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		g := &Graph{}
		for i := range 1000 {
			if name := fmt.Sprint(i); i%10 == 0 {
				g.Add(name)
			} else {
				g.Add(name, fmt.Sprint(i-1))
			}
		}
		for name, r := range g.Run(b.Context(), func(context.Context, string) error { return nil }) {
			if !r.OK() {
				b.Fatal(name, r)
			}
		}
	}
}
