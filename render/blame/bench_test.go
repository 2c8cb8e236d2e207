package blame_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/xetys/tether/render/blame"
)

// BenchmarkBlame blames a release over 1,000 commits, of which 100 touch it: cold, with
// nothing kept of them, and warm.
func BenchmarkBlame(b *testing.B) {
	var text strings.Builder
	text.WriteString(read(b, "history.txt"))
	for i := 14; i <= 1000; i++ {
		if i%10 == 0 {
			fmt.Fprintf(&text, "== %d Ann: Bump to v%d\n-- environments/prod/values/web.yaml --\n# how many\nreplicas: %d\nimage:\n  tag: v%d\nconfig:\n  enabled: true\n  color: blue\n", i, i, i%7, i)
			continue
		}
		fmt.Fprintf(&text, "== %d Ben: Write more\n-- README.md --\n%d\n", i, i)
	}
	dir := written(b, text.String())
	once := func(b *testing.B, cache *blame.Cache) {
		p, bl := open(b, dir)
		bl.Cache = cache
		head, err := p.Commit("main")
		if err != nil {
			b.Fatal(err)
		}
		rel, err := bl.Release(context.Background(), head, "prod", "front", blame.Query{})
		if err != nil || len(rel.Objects) == 0 {
			b.Fatal(rel, err)
		}
	}
	b.Run("Cold", func(b *testing.B) {
		for b.Loop() {
			once(b, blame.OpenCache(b.TempDir(), "", 64<<20))
		}
	})
	b.Run("Warm", func(b *testing.B) {
		kept := blame.OpenCache(b.TempDir(), "", 64<<20)
		once(b, kept)
		for b.Loop() {
			once(b, kept)
		}
	})
}
