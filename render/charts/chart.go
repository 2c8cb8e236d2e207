// Package charts loads charts, each with its dependencies: from the repository's files or, by
// package fetch, from elsewhere.
//
// It does not know environments, values or Secrets, nor how a chart is rendered: a worker
// reads charts with Helm.
package charts

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"

	"github.com/xetys/tether/render/worker"
)

// Chart is a chart as it was read, with what it refers to and does not bring itself. It is
// not changed any more, and safe for concurrent use.
type Chart struct {
	// Key names its contents; empty if that is not known.
	Key string
	// Files are its own.
	Files []*loader.BufferedFile
	// Dependencies are the charts that it refers to and does not bring.
	Dependencies []*Chart
	// Size is how many bytes its files, and those of its dependencies, have.
	Size int

	chart *chart.Chart // Helm's view of the files, without dependencies: its metadata and lock alone
	count int          // of charts: this one and its dependencies

	once sync.Once
	sent *worker.Chart
}

func newChart(files []*loader.BufferedFile) *Chart {
	s := &Chart{Files: files, count: 1}
	for _, f := range files {
		s.Size += len(f.Data)
	}
	return s
}

// Name is what the chart is called; empty if its metadata says nothing.
func (s *Chart) Name() string {
	if s.chart == nil || s.chart.Metadata == nil {
		return ""
	}
	return s.chart.Metadata.Name
}

// Sent is the chart as a worker is sent it.
func (s *Chart) Sent() *worker.Chart {
	s.once.Do(func() {
		s.sent = &worker.Chart{}
		h := sha256.New()
		part := func(b []byte) { fmt.Fprintf(h, "%d %s", len(b), b) }
		for _, f := range s.Files {
			part([]byte(f.Name))
			part(f.Data)
			s.sent.Files = append(s.sent.Files, worker.File{Name: f.Name, Data: f.Data})
		}
		for _, d := range s.Dependencies {
			part([]byte("dependency " + d.Sent().ID))
			s.sent.Deps = append(s.sent.Deps, d.Sent())
		}
		s.sent.ID = hex.EncodeToString(h.Sum(nil))
	})
	return s.sent
}

// Hash hands out all that the chart consists of, in an order that is always the same.
func (s *Chart) Hash(part func([]byte)) {
	files := slices.Clone(s.Files)
	slices.SortFunc(files, func(a, b *loader.BufferedFile) int { return strings.Compare(a.Name, b.Name) })
	for _, f := range files {
		part([]byte(f.Name))
		part(f.Data)
	}
	for _, d := range s.Dependencies {
		part([]byte("dependency"))
		d.Hash(part)
	}
}

// Defines reports whether a chart, or one that it depends on, may bring CRDs; a
// packed dependency counts as one that does.
func (s *Chart) Defines() bool {
	return slices.ContainsFunc(s.Files, func(f *loader.BufferedFile) bool {
		return strings.HasPrefix(f.Name, "crds/") || strings.Contains(f.Name, "/crds/") || strings.HasSuffix(f.Name, ".tgz")
	}) || slices.ContainsFunc(s.Dependencies, (*Chart).Defines)
}

// Constrains reports whether a chart, or one that it depends on, may have a schema for
// its values.
func (s *Chart) Constrains() bool {
	return slices.ContainsFunc(s.Files, func(f *loader.BufferedFile) bool {
		return strings.HasSuffix(f.Name, "values.schema.json") || strings.HasSuffix(f.Name, ".tgz")
	}) || slices.ContainsFunc(s.Dependencies, (*Chart).Constrains)
}

// Metadata is what Chart.yaml says.
func (s *Chart) Metadata() *chart.Metadata { return s.chart.Metadata }

// With is the chart with another content of some of its own files. It has no key.
func (s *Chart) With(files map[string][]byte) *Chart {
	out := &Chart{chart: s.chart, Dependencies: s.Dependencies, Size: s.Size, count: s.count}
	for _, f := range s.Files {
		if data, ok := files[f.Name]; ok {
			f = &loader.BufferedFile{Name: f.Name, Data: data}
		}
		out.Files = append(out.Files, f)
	}
	return out
}
