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
	"helm.sh/helm/v3/pkg/chartutil"
)

// source is a chart as it was read, with what it refers to by file://. It is not
// changed any more.
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

// source loads a chart, or finds it in the cache by git's hash of its folder.
func (r *Renderer) source(ctx context.Context, files fs.FS, dir string, depth int) (*source, error) {
	if depth > maxDepth {
		return nil, errors.New("its file:// dependencies go too deep, or in a circle")
	}
	own, err := r.folder(files, dir)
	if err != nil {
		return nil, err
	}
	// Dependencies lie elsewhere in the repository, and so do not count in the
	// folder's hash.
	deps, err := r.dependencies(ctx, files, dir, own.chart, depth)
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

// folder loads a chart's own files.
func (r *Renderer) folder(files fs.FS, dir string) (*source, error) {
	s := &source{}
	if h, ok := files.(hasher); ok {
		if hash, err := h.Hash(dir); err == nil {
			s.key = hash
		}
	}
	r.mu.Lock()
	cached := r.charts.get(s.key)
	r.mu.Unlock()
	if cached != nil {
		return cached, nil
	}
	var err error
	if s.files, err = loadFiles(files, dir); err != nil {
		return nil, err
	}
	if s.chart, err = loader.LoadFiles(s.files); err != nil {
		return nil, err
	}
	for _, f := range s.files {
		s.size += len(f.Data)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.charts.put(s)
	return s, nil
}

// dependencies loads what Chart.yaml refers to by file:// and the chart does not
// bring itself.
func (r *Renderer) dependencies(ctx context.Context, files fs.FS, dir string, ch *chart.Chart, depth int) ([]*source, error) {
	var out []*source
	for _, d := range ch.Metadata.Dependencies {
		if slices.ContainsFunc(ch.Dependencies(), func(c *chart.Chart) bool { return c.Name() == d.Name }) {
			continue
		}
		rel, isFile := strings.CutPrefix(d.Repository, "file://")
		if !isFile {
			return nil, fmt.Errorf("its dependency %s is not in its charts/ folder: run helm dependency build, and commit the result", d.Name)
		}
		at := path.Join(dir, rel)
		if !fs.ValidPath(at) {
			return nil, fmt.Errorf("its dependency %s (%s) leaves the repository", d.Name, d.Repository)
		}
		dep, err := r.source(ctx, files, at, depth+1)
		if err != nil {
			return nil, fmt.Errorf("its dependency %s: %w", d.Name, err)
		}
		if v := dep.chart.Metadata.Version; !chartutil.IsCompatibleRange(d.Version, v) {
			return nil, fmt.Errorf("its dependency %s (%s) is version %s, and Chart.yaml asks for %s", d.Name, d.Repository, v, d.Version)
		}
		out = append(out, dep)
	}
	return out, nil
}

// loadFiles writes a chart's folder to disk and has Helm's loader read it, so
// that .helmignore means what it means to Helm. Only regular files are taken.
func loadFiles(files fs.FS, dir string) ([]*loader.BufferedFile, error) {
	tmp, err := os.MkdirTemp("", "tether-chart-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	count, size := 0, int64(0)
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
		return os.WriteFile(to, raw, 0o600)
	})
	if err != nil {
		return nil, err
	}
	ch, err := loader.LoadDir(tmp)
	if err != nil {
		return nil, errors.New(strings.ReplaceAll(err.Error(), tmp+"/", ""))
	}
	var out []*loader.BufferedFile
	for _, f := range ch.Raw {
		out = append(out, &loader.BufferedFile{Name: f.Name, Data: f.Data})
	}
	return out, nil
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
