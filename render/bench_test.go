package render_test

import (
	"fmt"
	"io/fs"
	"os"
	"testing"

	"github.com/xetys/tether/render"
)

// repository is a file system with hashes, as that of git is: what does not
// change is then read once.
type repository struct{ fs.FS }

func (repository) Hash(path string) (string, error) { return path, nil }

// What one render of the tenant's chart costs: the benchmark of the agent has a
// thousand of them.
func BenchmarkRender(b *testing.B) {
	files := repository{os.DirFS("..")}
	env, err := render.LoadEnvironment(files, "production")
	if err != nil {
		b.Fatal(err)
	}
	r := render.NewRenderer(render.Config{})
	opts := render.Options{Revision: 1, Capabilities: render.OfflineCapabilities("", nil)}
	p, err := r.Prepare(b.Context(), files, env, env.Releases[0])
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := r.Render(b.Context(), p, opts); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// BenchmarkEnvironment reads and checks an environment.yaml.
func BenchmarkEnvironment(b *testing.B) {
	files := repo(b, environment("  namespace: prod\n  releases: [{name: web, chart: charts/web, values: [values.yaml]}]"))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := render.LoadEnvironment(files, "prod"); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDigest reads, checks and digests the inputs of one release of a chart that
// was read before.
func BenchmarkDigest(b *testing.B) {
	files := repository{os.DirFS("..")}
	env, err := render.LoadEnvironment(files, "production")
	if err != nil {
		b.Fatal(err)
	}
	r := render.NewRenderer(render.Config{})
	spec := env.Releases[0]
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		spec.Name = fmt.Sprintf("web-%d", i) // so that it was not prepared before
		if _, err := r.Prepare(b.Context(), files, env, spec); err != nil {
			b.Fatal(err)
		}
	}
}
