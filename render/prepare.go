package render

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"strings"
	"sync"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chartutil"
	"sigs.k8s.io/yaml"

	"github.com/xetys/tether/render/fetch"
)

// Renderer renders releases. It keeps the charts that it read, and the inputs of
// each release as they were last prepared, so that a commit costs what it changes.
// It is safe for concurrent use.
type Renderer struct {
	config   Config
	mu       sync.Mutex
	charts   charts
	prepared map[string]keyed // by environment and release
}

// keyed is a prepared release, and what it was prepared from.
type keyed struct {
	key      string
	prepared *Prepared
}

// Config is what a Renderer is given from outside.
type Config struct {
	// References reads what environments refer to in the cluster; nil without one.
	References References
	// Charts fetches the charts that lie outside of the repository; nil refuses them.
	Charts *fetch.Fetcher
}

// NewRenderer returns a Renderer with nothing in its cache.
func NewRenderer(c Config) *Renderer {
	return &Renderer{config: c, charts: charts{byKey: map[string]*source{}}, prepared: map[string]keyed{}}
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
// chart's schema. What is wrong with them is returned as Problems; an AwayError says
// that what lies elsewhere could not be had now.
func (r *Renderer) Prepare(ctx context.Context, files fs.FS, env *Environment, spec ReleaseSpec) (*Prepared, error) {
	src, err := (&reading{r, files, env}).chart(ctx, spec)
	if err != nil {
		return nil, notHad(spec, err)
	}
	at, key := env.Name+"/"+spec.Name, inputsKey(files, src, spec)
	if known := r.known(at); key != "" && known.key == key {
		p := *known.prepared
		p.spec = spec // what else is said of the release may be another
		return &p, nil
	}
	p, err := prepare(files, src, spec)
	if err == nil && key != "" {
		r.mu.Lock()
		r.prepared[at] = keyed{key, p}
		r.mu.Unlock()
	}
	return p, err
}

func (r *Renderer) known(at string) keyed {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.prepared[at]
}

// hasher is a file system that knows a hash of each file and folder; git does.
type hasher interface {
	Hash(path string) (string, error)
}

// inputsKey names a release's inputs without reading them; empty if the files have
// no hashes.
func inputsKey(files fs.FS, src *source, spec ReleaseSpec) string {
	h, ok := files.(hasher)
	if !ok || src.key == "" {
		return ""
	}
	parts := []string{src.key, spec.Name, spec.Namespace}
	for _, name := range spec.Values {
		hash, err := h.Hash(name)
		if err != nil {
			return ""
		}
		parts = append(parts, name+"@"+hash)
	}
	return strings.Join(parts, "\n")
}

func prepare(files fs.FS, src *source, spec ReleaseSpec) (*Prepared, error) {
	values := map[string]any{}
	for _, name := range spec.Values {
		one, err := readValues(files, name)
		if err != nil {
			return nil, err
		}
		values = mergeValues(values, one)
	}
	p := &Prepared{spec: spec, source: src, values: values}
	if err := p.checkSchema(); err != nil {
		return nil, err
	}
	var err error
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

func (p *Prepared) checkSchema() error {
	refuse := func(err error) error {
		file := p.spec.file
		if n := len(p.spec.Values); n > 0 {
			file = p.spec.Values[n-1]
		}
		return Problems{{File: file, Message: fmt.Sprintf("release %s: %s", p.spec.Name, strings.Join(strings.Fields(err.Error()), " "))}}
	}
	ch := p.source.load()
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
