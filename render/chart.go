package render

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"

	"github.com/xetys/tether/render/worker"
)

// source is a chart as it was read, with what it refers to by file://. It is not
// changed any more.
type source struct {
	key   string                 // names its contents; empty if that is not known
	files []*loader.BufferedFile // its own
	deps  []*source
	chart *chart.Chart // Helm's view of files, without deps: its metadata alone
	size  int          // of files, and of those of deps
	count int          // of charts: this one and deps

	once sync.Once
	sent *worker.Chart
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
	// maxCharts bounds what a chart and its dependencies are together: each may
	// refer to several, which refer to several.
	maxCharts = 100
)

// source loads a chart, or finds it in the cache by git's hash of its folder.
func (r *Renderer) source(ctx context.Context, files fs.FS, dir string, depth int) (*source, error) {
	if depth > maxDepth {
		return nil, errors.New("its file:// dependencies go too deep, or in a circle")
	}
	own, err := r.folder(ctx, files, dir)
	if err != nil {
		return nil, err
	}
	// Dependencies lie elsewhere in the repository, and so do not count in the
	// folder's hash.
	deps, err := r.dependencies(ctx, files, dir, own.chart, depth)
	if err != nil || len(deps) == 0 {
		return own, err
	}
	whole := &source{key: own.key, files: own.files, chart: own.chart, size: own.size, count: own.count, deps: deps}
	for _, d := range deps {
		whole.size, whole.count = whole.size+d.size, whole.count+d.count
		if whole.size > maxSize || whole.count > maxCharts {
			return nil, fmt.Errorf("with its dependencies it has more than %d charts or %d MiB", maxCharts, maxSize>>20)
		}
		if d.key == "" {
			whole.key = ""
		}
		if whole.key != "" {
			whole.key += " with " + d.key
		}
	}
	return whole, nil
}

// folder loads a chart's own files.
func (r *Renderer) folder(ctx context.Context, files fs.FS, dir string) (*source, error) {
	s := &source{count: 1}
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
	if s.files, s.chart, err = r.loadFiles(ctx, files, dir); err != nil {
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
		out = append(out, dep)
	}
	return out, nil
}

// loadFiles writes a chart's folder to disk and has Helm's loader read it there, so
// that .helmignore means what it means to Helm. Only regular files are taken.
func (r *Renderer) loadFiles(ctx context.Context, files fs.FS, dir string) ([]*loader.BufferedFile, *chart.Chart, error) {
	tmp, err := os.MkdirTemp("", "tether-chart-")
	if err != nil {
		return nil, nil, err
	}
	defer os.RemoveAll(tmp)
	data, err := writeFiles(files, dir, tmp)
	if err != nil {
		return nil, nil, err
	}
	loaded, err := r.pool.Load(ctx, tmp)
	if err != nil {
		return nil, nil, err
	}
	var out []*loader.BufferedFile
	for _, name := range loaded.Names {
		out = append(out, &loader.BufferedFile{Name: name, Data: bytes.TrimPrefix(data[name], []byte("\uFEFF"))})
	}
	return out, loaded.Outline, nil
}

// writeFiles writes a folder to disk and returns its files.
func writeFiles(files fs.FS, dir, tmp string) (map[string][]byte, error) {
	data, size := map[string][]byte{}, int64(0)
	return data, fs.WalkDir(files, dir, func(name string, e fs.DirEntry, err error) error {
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
		if len(data) == maxFiles {
			return errChartSize
		}
		raw, err := readBounded(files, name, maxSize-size)
		if errors.Is(err, errTooLarge) {
			return errChartSize
		}
		if err != nil {
			return err
		}
		size += int64(len(raw))
		data[filepath.ToSlash(rel)] = raw
		return os.WriteFile(to, raw, 0o600)
	})
}

var errChartSize = fmt.Errorf("it has more than %d files or %d MiB", maxFiles, maxSize>>20)

// whole is the chart as a worker is sent it.
func (s *source) whole() *worker.Chart {
	s.once.Do(func() {
		s.sent = &worker.Chart{}
		h := sha256.New()
		part := func(b []byte) { fmt.Fprintf(h, "%d %s", len(b), b) }
		for _, f := range s.files {
			part([]byte(f.Name))
			part(f.Data)
			s.sent.Files = append(s.sent.Files, worker.File{Name: f.Name, Data: f.Data})
		}
		for _, d := range s.deps {
			part([]byte("dependency " + d.whole().ID))
			s.sent.Deps = append(s.sent.Deps, d.whole())
		}
		s.sent.ID = hex.EncodeToString(h.Sum(nil))
	})
	return s.sent
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
