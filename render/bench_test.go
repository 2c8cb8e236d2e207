package render_test

import (
	"context"
	"testing"

	"github.com/xetys/tether/render"
)

// BenchmarkDigest reads, checks and digests a release's inputs, with nothing cached.
func BenchmarkDigest(b *testing.B) {
	files := repo(b, environment("  namespace: prod\n  releases: [{name: web, chart: charts/web, values: [values.yaml]}]"))
	env, err := render.LoadEnvironment(files, "prod")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		p, err := render.NewRenderer(render.Config{}).Prepare(context.Background(), files, env, env.Releases[0])
		if err != nil || p.Digest == "" {
			b.Fatal(err)
		}
	}
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
