package charts

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"helm.sh/helm/v3/pkg/chart/loader"

	"github.com/xetys/tether/render/config"
	"github.com/xetys/tether/render/fetch"
	"github.com/xetys/tether/render/worker"
)

// The bounds of a chart: more is a mistake, or an attack.
const (
	maxFiles  = 10_000
	maxSize   = 20 << 20
	maxNested = 100 // folders in folders
	maxName   = 255 // bytes, as file systems have it
	// maxCharts bounds what a chart and its dependencies are together: each may
	// refer to several, which refer to several.
	maxCharts = 100
)

// MaxDepth is how many file:// dependencies may follow each other.
const MaxDepth = 10

// Loader loads the charts of an environment's releases, as one commit has them.
type Loader struct {
	store *Store
	from  From
}

// From is where charts are looked for.
type From struct {
	// Files are those of the repository. Where they have a method Hash(path) (string,
	// error), what did not change is not read again.
	Files fs.FS
	// Fetcher fetches what lies elsewhere; nil refuses that.
	Fetcher *fetch.Fetcher
	// Pins are what charts that lie elsewhere were resolved to, and are.
	Pins *Pins
	// Login finds the login for a host that a chart lies on.
	Login fetch.Logins
}

// Loader returns a Loader that keeps what it loads in the store.
func (c *Store) Loader(from From) *Loader { return &Loader{c, from} }

// Load loads a chart of the repository by its path, or one that lies elsewhere.
func (l *Loader) Load(ctx context.Context, path string, elsewhere *fetch.Reference) (*Chart, error) {
	if elsewhere != nil {
		return l.remote(ctx, *elsewhere, "")
	}
	return l.source(ctx, path, 0)
}

// hasher is a file system that knows a hash of each file and folder; git does.
type hasher interface {
	Hash(path string) (string, error)
}

// source loads a chart of the repository, or finds it in the cache by git's hash of
// its folder.
func (l *Loader) source(ctx context.Context, dir string, depth int) (*Chart, error) {
	if depth > MaxDepth {
		return nil, errors.New("its file:// dependencies go too deep, or in a circle")
	}
	if config.Packed(dir) {
		return l.local(ctx, dir, l.packedFile)
	}
	own, err := l.local(ctx, dir, l.folder)
	if err != nil {
		return nil, err
	}
	// Dependencies lie elsewhere, and so do not count in the folder's hash.
	deps, err := l.dependencies(ctx, dir, own.chart, depth)
	if err != nil || len(deps) == 0 {
		return own, err
	}
	whole := &Chart{Key: own.Key, Files: own.Files, chart: own.chart, Size: own.Size, count: own.count, Dependencies: deps}
	for _, d := range deps {
		whole.Size, whole.count = whole.Size+d.Size, whole.count+d.count
		if whole.Size > maxUnpacked || whole.count > maxCharts {
			return nil, fmt.Errorf("with its dependencies it has more than %d charts or %d MiB: split it into several releases", maxCharts, maxUnpacked>>20)
		}
		if d.Key == "" {
			whole.Key = ""
		}
		if whole.Key != "" {
			whole.Key += " with " + d.Key
		}
	}
	return whole, nil
}

// local loads what is at a path of the repository.
func (l *Loader) local(ctx context.Context, at string, load func(ctx context.Context, at, key string) (*Chart, error)) (*Chart, error) {
	key := ""
	if h, ok := l.from.Files.(hasher); ok {
		if hash, err := h.Hash(at); err == nil {
			key = hash
		}
	}
	if s := l.store.get(ctx, key); s != nil {
		return s, nil
	}
	s, err := load(ctx, at, key)
	if err != nil {
		return nil, err
	}
	s.Key = key
	l.store.put(ctx, s)
	return s, nil
}

// packedFile loads a packed chart of the repository.
func (l *Loader) packedFile(ctx context.Context, name, key string) (*Chart, error) {
	raw, err := config.ReadFile(l.from.Files, name, fetch.MaxPacked)
	if errors.Is(err, config.ErrTooLarge) {
		return nil, fmt.Errorf("it has more than %d MiB packed: leave out what is no part of the chart, by .helmignore", fetch.MaxPacked>>20)
	}
	if err != nil {
		return nil, config.Cause(err)
	}
	s, err := l.unpacked(ctx, raw, key)
	if err != nil {
		return nil, err
	}
	return s, complete(s)
}

// unpacked reads a packed chart.
func (l *Loader) unpacked(ctx context.Context, raw []byte, key string) (*Chart, error) {
	files, err := unpack(raw)
	if err != nil {
		return nil, err
	}
	l.store.share(key, files)
	s := newChart(files)
	s.chart, err = l.store.pool.Describe(ctx, s.Sent())
	return s, err
}

// folder writes a chart's folder to disk and has Helm's loader read it there, so
// that .helmignore means what it means to Helm. Only regular files are taken.
func (l *Loader) folder(ctx context.Context, dir, key string) (*Chart, error) {
	in, err := worker.Folder()
	if err != nil {
		return nil, onDisk(err)
	}
	tmp, err := os.MkdirTemp(in, "chart-")
	if err != nil {
		return nil, onDisk(err)
	}
	defer os.RemoveAll(tmp)
	data, err := writeFiles(l.from.Files, dir, tmp)
	if err != nil {
		return nil, err
	}
	loaded, err := l.store.pool.Load(ctx, tmp)
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
	l.store.share(key, files)
	s := newChart(files)
	s.chart = loaded.Outline
	return s, nil
}

// onDisk tells trouble with this machine's disk from what is wrong with a chart.
func onDisk(err error) error {
	if err == nil {
		return nil
	}
	return &AwayError{fmt.Errorf("write it to %s: %w", os.TempDir(), config.Cause(err))} // the file has another name each time
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
		raw, err := config.ReadFile(files, name, maxSize-size)
		if errors.Is(err, config.ErrTooLarge) {
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
