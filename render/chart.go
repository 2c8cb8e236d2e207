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

	"github.com/xetys/tether/render/fetch"
	"github.com/xetys/tether/render/worker"
)

// source is a chart as it was read, with what it refers to and does not bring
// itself. It is not changed any more.
type source struct {
	key   string                 // names its contents; empty if that is not known
	files []*loader.BufferedFile // its own
	deps  []*source
	chart *chart.Chart // Helm's view of files, without deps: its metadata and lock alone
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
	maxFiles  = 10_000
	maxSize   = 20 << 20
	maxDepth  = 10  // of file:// dependencies
	maxNested = 100 // folders in folders
	maxName   = 255 // bytes, as file systems have it
	// maxCharts bounds what a chart and its dependencies are together: each may
	// refer to several, which refer to several.
	maxCharts = 100
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
		return r.local(ctx, dir, r.packedFile)
	}
	own, err := r.local(ctx, dir, r.folder)
	if err != nil {
		return nil, err
	}
	// Dependencies lie elsewhere, and so do not count in the folder's hash.
	deps, err := r.dependencies(ctx, dir, own.chart, depth)
	if err != nil || len(deps) == 0 {
		return own, err
	}
	whole := &source{key: own.key, files: own.files, chart: own.chart, size: own.size, count: own.count, deps: deps}
	for _, d := range deps {
		whole.size, whole.count = whole.size+d.size, whole.count+d.count
		if whole.size > maxUnpacked || whole.count > maxCharts {
			return nil, fmt.Errorf("with its dependencies it has more than %d charts or %d MiB: split it into several releases", maxCharts, maxUnpacked>>20)
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

// packed reports whether a path is that of a packed chart.
func packed(name string) bool { return path.Ext(name) == ".tgz" }

// local loads what is at a path of the repository.
func (r *reading) local(ctx context.Context, at string, load func(context.Context, string) (*source, error)) (*source, error) {
	key := ""
	if h, ok := r.files.(hasher); ok {
		if hash, err := h.Hash(at); err == nil {
			key = hash
		}
	}
	if s := r.renderer.kept(key); s != nil {
		return s, nil
	}
	s, err := load(ctx, at)
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
func (r *reading) packedFile(ctx context.Context, name string) (*source, error) {
	raw, err := readBounded(r.files, name, fetch.MaxPacked)
	if errors.Is(err, errTooLarge) {
		return nil, fmt.Errorf("it has more than %d MiB packed: leave out what is no part of the chart, by .helmignore", fetch.MaxPacked>>20)
	}
	if err != nil {
		return nil, cause(err)
	}
	s, err := r.unpacked(ctx, raw)
	if err != nil {
		return nil, err
	}
	return s, complete(s)
}

// unpacked reads a packed chart.
func (r *reading) unpacked(ctx context.Context, raw []byte) (*source, error) {
	files, err := unpack(raw)
	if err != nil {
		return nil, err
	}
	s := newSource(files)
	s.chart, err = r.renderer.pool.Describe(ctx, s.whole())
	return s, err
}

func newSource(files []*loader.BufferedFile) *source {
	s := &source{files: files, count: 1}
	for _, f := range files {
		s.size += len(f.Data)
	}
	return s
}

// folder writes a chart's folder to disk and has Helm's loader read it there, so
// that .helmignore means what it means to Helm. Only regular files are taken.
func (r *reading) folder(ctx context.Context, dir string) (*source, error) {
	in, err := worker.Folder()
	if err != nil {
		return nil, onDisk(err)
	}
	tmp, err := os.MkdirTemp(in, "chart-")
	if err != nil {
		return nil, onDisk(err)
	}
	defer os.RemoveAll(tmp)
	data, err := writeFiles(r.files, dir, tmp)
	if err != nil {
		return nil, err
	}
	loaded, err := r.renderer.pool.Load(ctx, tmp)
	if err != nil {
		return nil, err
	}
	var files []*loader.BufferedFile
	for _, name := range loaded.Names {
		raw, ok := data[name]
		if !ok {
			return nil, fmt.Errorf("%q came back from reading the chart, and is not in it", name)
		}
		files = append(files, &loader.BufferedFile{Name: name, Data: bytes.TrimPrefix(raw, []byte("\uFEFF"))})
	}
	s := newSource(files)
	s.chart = loaded.Outline
	return s, nil
}

// onDisk tells trouble with this machine's disk from what is wrong with a chart.
func onDisk(err error) error {
	if err == nil {
		return nil
	}
	return &AwayError{fmt.Errorf("write it to %s: %w", os.TempDir(), cause(err))} // the file has another name each time
}

// writeFiles writes a folder to disk and returns its files.
func writeFiles(files fs.FS, dir, tmp string) (map[string][]byte, error) {
	data, size, inner, found := map[string][]byte{}, int64(0), newUnpacked(), 0
	return data, fs.WalkDir(files, dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, name) // name lies below dir
		if found++; found > maxFiles+1 {  // folders count, which may hold the very same folders
			return errChartSize
		}
		if strings.Count(rel, "/") > maxNested || len(e.Name()) > maxName {
			return fmt.Errorf("%.300s… lies more than %d folders deep, or has a name of more than %d bytes: move it, or rename it", name, maxNested, maxName)
		}
		to := filepath.Join(tmp, rel)
		if e.IsDir() {
			return onDisk(os.MkdirAll(to, 0o700))
		}
		if !e.Type().IsRegular() {
			return fmt.Errorf("%s is a symbolic link or no regular file: put a copy in its place", name)
		}
		raw, err := readBounded(files, name, maxSize-size)
		if errors.Is(err, errTooLarge) {
			return errChartSize
		}
		if err != nil {
			return err
		}
		if packedIn(rel) {
			if err := inner.check(raw, "in "+name+": ", 1); err != nil {
				return err
			}
		}
		size += int64(len(raw))
		data[filepath.ToSlash(rel)] = raw
		return onDisk(os.WriteFile(to, raw, 0o600))
	})
}

var errChartSize = fmt.Errorf("it has more than %d files and folders or %d MiB: put what is no part of the chart into another folder", maxFiles, maxSize>>20)

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
