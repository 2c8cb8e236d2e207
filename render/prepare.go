package render

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
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
	"helm.sh/helm/v3/pkg/chartutil"
	"sigs.k8s.io/yaml"
)

// Renderer renders releases. It is safe for concurrent use.
type Renderer struct {
	mu     sync.Mutex
	charts map[string]*source // by git's hash of the chart's folder
}

// NewRenderer returns a Renderer with nothing in its cache.
func NewRenderer() *Renderer { return &Renderer{charts: map[string]*source{}} }

// source is a chart's files, as Helm's loader left them: rendering changes a
// chart, so each render loads one anew from them.
type source struct {
	files []*loader.BufferedFile
	deps  []*source
}

// Prepared is a release whose inputs are read and checked, and not rendered.
type Prepared struct {
	// Digest is the input digest.
	Digest string
	spec   ReleaseSpec
	source *source
	values map[string]any
}

// Prepare reads a release's chart and values and checks the values against the
// chart's schema. What is wrong with them is returned as Problems.
func (r *Renderer) Prepare(files fs.FS, _ *Environment, spec ReleaseSpec) (*Prepared, error) {
	values := map[string]any{}
	for _, name := range spec.Values {
		one, err := readValues(files, name)
		if err != nil {
			return nil, err
		}
		values = mergeValues(values, one)
	}
	src, err := r.source(files, spec.Chart, 0)
	if err != nil {
		return nil, Problems{{File: spec.file, Line: spec.line, Message: fmt.Sprintf("chart %s of release %s: %v", spec.Chart, spec.Name, err)}}
	}
	p := &Prepared{spec: spec, source: src, values: values}
	if err := p.checkSchema(); err != nil {
		return nil, err
	}
	p.Digest, err = p.digest()
	return p, err
}

func readValues(files fs.FS, name string) (map[string]any, error) {
	raw, err := fs.ReadFile(files, name)
	if err != nil {
		return nil, Problems{{File: name, Message: fmt.Sprintf("can't be read: %v", cause(err))}}
	}
	values := map[string]any{}
	if err := yaml.Unmarshal(raw, &values); err != nil {
		return nil, Problems{{File: name, Message: fmt.Sprintf("is not a map of values: %v", err)}}
	}
	if _, encrypted := values["sops"]; encrypted {
		return nil, Problems{{File: name, Message: "is encrypted with SOPS, which is not supported yet: refer to a Secret instead"}}
	}
	return values, nil
}

// mergeValues merges as helm -f a -f b does: maps key by key, all else replaced.
func mergeValues(a, b map[string]any) map[string]any {
	out := make(map[string]any, len(a)+len(b))
	for k, v := range a {
		out[k] = v
	}
	for k, v := range b {
		am, aok := out[k].(map[string]any)
		bm, bok := v.(map[string]any)
		if aok && bok {
			v = mergeValues(am, bm)
		}
		out[k] = v
	}
	return out
}

// The bounds of a chart: more is a mistake, or an attack.
const (
	maxFiles = 10_000
	maxSize  = 20 << 20
	maxDepth = 10
)

type hasher interface {
	Hash(path string) (string, error)
}

// source loads a chart, or finds it in the cache by git's hash of its folder.
func (r *Renderer) source(files fs.FS, dir string, depth int) (*source, error) {
	if depth > maxDepth {
		return nil, errors.New("its file:// dependencies go too deep, or in a circle")
	}
	key := ""
	if h, ok := files.(hasher); ok {
		if hash, err := h.Hash(dir); err == nil {
			key = dir + "@" + hash
		}
	}
	r.mu.Lock()
	cached := r.charts[key]
	r.mu.Unlock()
	if key == "" || cached == nil {
		loaded, err := loadFiles(files, dir)
		if err != nil {
			return nil, err
		}
		cached = &source{files: loaded}
		r.mu.Lock()
		r.charts[key] = cached
		r.mu.Unlock()
	}
	// Dependencies lie elsewhere in the repository, and so do not count in the
	// folder's hash.
	src := &source{files: cached.files}
	ch, err := loader.LoadFiles(cached.files)
	if err != nil {
		return nil, err
	}
	src.deps, err = r.dependencies(files, dir, ch, depth)
	return src, err
}

// dependencies loads what Chart.yaml refers to by file:// and the chart does not
// bring itself.
func (r *Renderer) dependencies(files fs.FS, dir string, ch *chart.Chart, depth int) ([]*source, error) {
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
		dep, err := r.source(files, at, depth+1)
		if err != nil {
			return nil, fmt.Errorf("its dependency %s: %w", d.Name, err)
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

// load makes a chart that may be changed.
func (s *source) load() (*chart.Chart, error) {
	ch, err := loader.LoadFiles(s.files)
	if err != nil {
		return nil, err
	}
	for _, d := range s.deps {
		sub, err := d.load()
		if err != nil {
			return nil, err
		}
		ch.AddDependency(sub)
	}
	return ch, nil
}

func (p *Prepared) checkSchema() error {
	refuse := func(err error) error {
		file := p.spec.file
		if n := len(p.spec.Values); n > 0 {
			file = p.spec.Values[n-1]
		}
		return Problems{{File: file, Message: fmt.Sprintf("release %s: %s", p.spec.Name, strings.Join(strings.Fields(err.Error()), " "))}}
	}
	ch, err := p.source.load()
	if err != nil {
		return refuse(err)
	}
	if err := localRefs(ch); err != nil {
		return refuse(err)
	}
	if err := chartutil.ProcessDependenciesWithMerge(ch, p.values); err != nil {
		return refuse(err)
	}
	all, err := chartutil.CoalesceValues(ch, p.values)
	if err != nil {
		return refuse(err)
	}
	if err := chartutil.ValidateAgainstSchema(ch, all); err != nil {
		return refuse(err)
	}
	return nil
}

// localRefs refuses schemas that refer to files or the network: the validator
// would read them.
func localRefs(ch *chart.Chart) error {
	var schema any
	if len(ch.Schema) > 0 {
		if err := json.Unmarshal(ch.Schema, &schema); err != nil {
			return fmt.Errorf("chart %s: values.schema.json is not JSON: %w", ch.Name(), err)
		}
	}
	if ref := foreignRef(schema); ref != "" {
		return fmt.Errorf("chart %s: values.schema.json refers to %s: only references within the schema (#/…) are allowed", ch.Name(), ref)
	}
	for _, d := range ch.Dependencies() {
		if err := localRefs(d); err != nil {
			return err
		}
	}
	return nil
}

func foreignRef(v any) string {
	switch v := v.(type) {
	case map[string]any:
		if ref, ok := v["$ref"].(string); ok && !strings.HasPrefix(ref, "#") {
			return ref
		}
		for _, e := range v {
			if ref := foreignRef(e); ref != "" {
				return ref
			}
		}
	case []any:
		for _, e := range v {
			if ref := foreignRef(e); ref != "" {
				return ref
			}
		}
	}
	return ""
}

// digest hashes the inputs: every part with its length before it, so that no two
// sets of inputs run together.
func (p *Prepared) digest() (string, error) {
	h := sha256.New()
	part := func(b []byte) {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(b)))
		h.Write(n[:])
		h.Write(b)
	}
	part([]byte("tether inputs 1"))
	part([]byte(p.spec.Name))
	part([]byte(p.spec.Namespace))
	values, err := json.Marshal(p.values) // keys are sorted
	if err != nil {
		return "", fmt.Errorf("encode the values of release %s: %w", p.spec.Name, err)
	}
	part(values)
	p.source.hash(part)
	return hex.EncodeToString(h.Sum(nil))[:40], nil
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
