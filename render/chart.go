package render

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"

	"github.com/xetys/tether/render/fetch"
)

// source is a chart as it was read, with what it refers to and does not bring
// itself. It is not changed any more.
type source struct {
	key   string                 // names its contents; empty if that is not known
	files []*loader.BufferedFile // its own
	deps  []*source
	chart *chart.Chart // Helm's view of files, without deps
	size  int          // of files
}

// charts keeps sources by key. What was not used for the longest time is dropped
// when they are more than keptCharts bytes; who uses a source keeps it all the same.
type charts struct {
	byKey map[string]*source
	order []string // the last one was used last
	size  int
}

const keptCharts = 64 << 20

func (c *charts) get(key string) *source {
	s := c.byKey[key]
	if s != nil {
		i := slices.Index(c.order, key)
		c.order = append(slices.Delete(c.order, i, i+1), key)
	}
	return s
}

func (c *charts) put(s *source) {
	if s.key == "" || c.byKey[s.key] != nil {
		return
	}
	c.byKey[s.key], c.order, c.size = s, append(c.order, s.key), c.size+s.size
	for c.size > keptCharts && len(c.order) > 1 {
		oldest := c.order[0]
		c.size -= c.byKey[oldest].size
		c.order = c.order[1:]
		delete(c.byKey, oldest)
	}
}

// The bounds of a chart: more is a mistake, or an attack.
const (
	maxFiles = 10_000
	maxSize  = 20 << 20
	maxDepth = 10
)

// reading is one look for a release's chart, and where its parts are looked for.
type reading struct {
	renderer *Renderer
	files    fs.FS
	env      *Environment
}

// chart loads a release's chart.
func (r *reading) chart(ctx context.Context, spec ReleaseSpec) (*source, error) {
	if spec.remote != nil {
		return r.remote(ctx, *spec.remote, "")
	}
	return r.source(ctx, spec.Chart, 0)
}

// source loads a chart of the repository, or finds it in the cache by git's hash of
// its folder.
func (r *reading) source(ctx context.Context, dir string, depth int) (*source, error) {
	if depth > maxDepth {
		return nil, errors.New("its file:// dependencies go too deep, or in a circle")
	}
	if packed(dir) {
		return r.local(dir, packedFile)
	}
	own, err := r.local(dir, loadFiles)
	if err != nil {
		return nil, err
	}
	// Dependencies lie elsewhere, and so do not count in the folder's hash.
	deps, err := r.dependencies(ctx, dir, own.chart, depth)
	if err != nil || len(deps) == 0 {
		return own, err
	}
	whole := *own
	whole.deps = deps
	for _, d := range deps {
		if d.key == "" {
			whole.key = ""
		}
		if whole.key != "" {
			whole.key += " with " + d.key
		}
	}
	return &whole, nil
}

// packed reports whether a path is that of a packed chart.
func packed(name string) bool { return path.Ext(name) == ".tgz" }

// local loads what is at a path of the repository.
func (r *reading) local(at string, load func(fs.FS, string) (*source, error)) (*source, error) {
	key := ""
	if h, ok := r.files.(hasher); ok {
		if hash, err := h.Hash(at); err == nil {
			key = hash
		}
	}
	if s := r.renderer.kept(key); s != nil {
		return s, nil
	}
	s, err := load(r.files, at)
	if err != nil {
		return nil, err
	}
	s.key = key
	r.renderer.keep(s)
	return s, nil
}

func (r *Renderer) kept(key string) *source {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.charts.get(key)
}

func (r *Renderer) keep(s *source) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.charts.put(s)
}

// packedFile loads a packed chart of the repository.
func packedFile(files fs.FS, name string) (*source, error) {
	info, err := fs.Stat(files, name)
	if err != nil {
		return nil, cause(err)
	}
	if info.Size() > fetch.MaxPacked {
		return nil, fmt.Errorf("it has more than %d MiB packed", fetch.MaxPacked>>20)
	}
	raw, err := fs.ReadFile(files, name)
	if err != nil {
		return nil, cause(err)
	}
	s, err := unpack(raw)
	if err != nil {
		return nil, err
	}
	return s, complete(s)
}

// loadFiles writes a chart's folder to disk and has Helm's loader read it, so
// that .helmignore means what it means to Helm. Only regular files are taken.
func loadFiles(files fs.FS, dir string) (*source, error) {
	tmp, err := os.MkdirTemp("", "tether-chart-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	count, size, inner := 0, int64(0), newUnpacked()
	err = fs.WalkDir(files, dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, name) // name lies below dir
		to := filepath.Join(tmp, rel)
		if e.IsDir() {
			return os.MkdirAll(to, 0o700)
		}
		if !e.Type().IsRegular() {
			return fmt.Errorf("%s is a symbolic link or no regular file: put a copy in its place", name)
		}
		raw, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		count, size = count+1, size+int64(len(raw))
		if count > maxFiles || size > maxSize {
			return fmt.Errorf("it has more than %d files or %d MiB", maxFiles, maxSize>>20)
		}
		if packedIn(rel) {
			if err := inner.check(raw, "in "+name+": ", 1); err != nil {
				return err
			}
		}
		return os.WriteFile(to, raw, 0o600)
	})
	if err != nil {
		return nil, err
	}
	ch, err := loader.LoadDir(tmp)
	if err != nil {
		return nil, errors.New(strings.ReplaceAll(err.Error(), tmp+"/", ""))
	}
	s := &source{}
	for _, f := range ch.Raw {
		s.files = append(s.files, &loader.BufferedFile{Name: f.Name, Data: f.Data})
	}
	return s, s.parse()
}

// load makes a chart that may be changed: rendering does.
func (s *source) load() *chart.Chart {
	ch := clone(s.chart)
	for _, d := range s.deps {
		ch.AddDependency(d.load())
	}
	return ch
}

// clone copies what rendering changes of a chart: its values, and which of its
// dependencies are enabled under which name. Its files are shared.
func clone(c *chart.Chart) *chart.Chart {
	out := &chart.Chart{Raw: c.Raw, Lock: c.Lock, Templates: c.Templates, Schema: c.Schema, Files: c.Files, Values: copyMap(c.Values)}
	if c.Metadata != nil {
		meta := *c.Metadata
		meta.Dependencies = slices.Clone(c.Metadata.Dependencies)
		for i, d := range c.Metadata.Dependencies {
			if d != nil {
				dependency := *d
				meta.Dependencies[i] = &dependency
			}
		}
		out.Metadata = &meta
	}
	for _, d := range c.Dependencies() {
		out.AddDependency(clone(d))
	}
	return out
}

func copyMap(m map[string]any) map[string]any {
	if m == nil {
		return nil
	}
	out := make(map[string]any, len(m))
	for k, v := range m {
		out[k] = copyValue(v)
	}
	return out
}

func copyValue(v any) any {
	switch v := v.(type) {
	case map[string]any:
		return copyMap(v)
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = copyValue(e)
		}
		return out
	}
	return v
}

func (s *source) hash(part func([]byte)) {
	files := slices.Clone(s.files)
	slices.SortFunc(files, func(a, b *loader.BufferedFile) int { return strings.Compare(a.Name, b.Name) })
	for _, f := range files {
		part([]byte(f.Name))
		part(f.Data)
	}
	for _, d := range s.deps {
		part([]byte("dependency"))
		d.hash(part)
	}
}
