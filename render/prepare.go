package render

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/xetys/tether/render/fetch"
	"github.com/xetys/tether/render/sops"
	"github.com/xetys/tether/render/worker"
	"github.com/xetys/tether/render/yamldoc"
)

// Renderer renders releases. It keeps the charts that it read, and the inputs of
// each release as they were last prepared, so that a commit costs what it changes.
// It is safe for concurrent use.
type Renderer struct {
	config Config
	*memory
}

// memory is what renderers of the same charts share.
type memory struct {
	pool     *worker.Pool
	mu       sync.Mutex
	charts   charts
	prepared map[string]keyed // by environment and release
	outputs  outputs
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
	// Keys returns what decrypts SOPS files; nil without any. Keys that do not exist
	// are an error that wraps fs.ErrNotExist, or one that is Lasting.
	Keys func(context.Context) (*sops.Keys, error)
	// Lenient leaves out values that can't be read for want of a cluster or a key, and
	// says so in Prepared.Unread.
	Lenient bool
	// Charts fetches the charts that lie outside of the repository; nil refuses them.
	Charts *fetch.Fetcher
}

// NewRenderer returns a Renderer with nothing in its cache.
func NewRenderer(c Config) *Renderer {
	return &Renderer{config: c, memory: &memory{pool: worker.Shared(), charts: charts{byKey: map[string]*source{}}, prepared: map[string]keyed{}}}
}

// With returns a Renderer with other references and keys that shares what this one
// remembers: environments may lie in different clusters, and have different keys.
func (r *Renderer) With(refs References, keys func(context.Context) (*sops.Keys, error)) *Renderer {
	c := r.config
	c.References, c.Keys = refs, keys
	return &Renderer{config: c, memory: r.memory}
}

// weight is what a release's values are: bytes as JSON, how many, and bytes of their files.
type weight struct{ size, counted, read int }

// Prepared is a release whose inputs are read and checked, and not rendered.
type Prepared struct {
	// Digest is the input digest.
	Digest string
	// Unread says which values were left out, and why; see Config.Lenient.
	Unread []string

	environment string
	spec        ReleaseSpec
	source      *source
	values      map[string]any
	weight               // what it took to be read
	hiding      *hiding  // what must not be shown, and what may
	files       fs.FS    // where the values were read from
	blind       []string // what was left out, by its hash
	opaque      bool     // it may hold secrets that are not known
}

// Prepare reads a release's chart and values and checks the values against the
// chart's schema. What is wrong with them is returned as Problems; an AwayError says
// that what lies elsewhere could not be had now. Any other error is worth another try
// as well.
func (r *Renderer) Prepare(ctx context.Context, files fs.FS, env *Environment, spec ReleaseSpec) (*Prepared, error) {
	if err := env.taken.room(spec); err != nil {
		return nil, err
	}
	p, err := r.prepareOrFind(ctx, files, env, spec)
	if err == nil {
		env.taken.add(p)
	}
	return p, err
}

// prepareOrFind prepares a release, unless its inputs are those of the last time.
func (r *Renderer) prepareOrFind(ctx context.Context, files fs.FS, env *Environment, spec ReleaseSpec) (*Prepared, error) {
	ctx = worker.For(ctx, env.Name)
	src, err := (&reading{r, files, env}).chart(ctx, spec)
	if err != nil {
		return nil, notHad(ctx, spec, err)
	}
	if err := env.taken.chart(spec, src); err != nil {
		return nil, err
	}
	in, err := r.gather(ctx, spec)
	if err != nil {
		return nil, err
	}
	at, key := env.Name+"/"+spec.Name, inputsKey(files, src, spec, in)
	if known := r.known(at); key != "" && known.key == key {
		p := *known.prepared
		p.spec, p.files = spec, files // what else is said of the release may be another
		return &p, nil
	}
	p, err := r.prepare(ctx, files, src, env, spec, in)
	if err == nil && key != "" {
		kept := *p
		kept.files = nil // it holds the commit in memory
		r.mu.Lock()
		r.prepared[at] = keyed{key, &kept}
		r.mu.Unlock()
	}
	return p, err
}

// Retain drops what was prepared of the environment's releases that it does not have any
// more.
func (r *Renderer) Retain(env *Environment) {
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.DeleteFunc(r.prepared, func(at string, _ keyed) bool {
		of, release, _ := strings.Cut(at, "/")
		return of == env.Name && !slices.ContainsFunc(env.Releases, func(s ReleaseSpec) bool { return s.Name == release })
	})
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

// inputsKey names a release's inputs without reading its files; empty if the files
// have no hashes.
func inputsKey(files fs.FS, src *source, spec ReleaseSpec, in *inputs) string {
	h, ok := files.(hasher)
	if !ok || src.key == "" {
		return ""
	}
	own, err := spec.inlineKey()
	if err != nil {
		return ""
	}
	parts := []string{src.key, spec.Name, spec.Namespace, own, in.key()}
	for _, v := range spec.Values {
		if v.File == "" {
			continue
		}
		hash, err := h.Hash(v.File)
		if err != nil {
			return ""
		}
		parts = append(parts, v.File+"@"+hash)
	}
	return strings.Join(parts, "\n")
}

func (r *Renderer) prepare(ctx context.Context, files fs.FS, src *source, env *Environment, spec ReleaseSpec, in *inputs) (*Prepared, error) {
	p := &Prepared{environment: env.Name, spec: spec, source: src, files: files, hiding: &hiding{names: env.names, values: map[string]bool{}}}
	if err := r.merge(ctx, files, p, in); err != nil {
		return nil, err
	}
	if len(p.Unread) == 0 { // what is left out may be what the schema asks for
		if err := r.checkSchema(ctx, files, p); err != nil {
			return nil, err
		}
	}
	var err error
	p.Digest, err = p.digest()
	return p, err
}

// MergeValues merges as helm -f a -f b does: maps key by key, all else replaced.
func MergeValues(a, b map[string]any) map[string]any {
	out := make(map[string]any, len(a)+len(b))
	for k, v := range a {
		out[k] = v
	}
	for k, v := range b {
		am, aok := out[k].(map[string]any)
		bm, bok := v.(map[string]any)
		if aok && bok {
			v = MergeValues(am, bm)
		}
		out[k] = v
	}
	return out
}

// checkSchema checks the values against the chart's schema.
func (r *Renderer) checkSchema(ctx context.Context, files fs.FS, p *Prepared) error {
	raw, err := p.inputs(Options{})
	if err != nil {
		return err
	}
	p.size, p.counted = len(raw.Values), yamldoc.Count(p.values)
	if !p.source.constrains() {
		return nil // what else is wrong shows when it is rendered
	}
	err = r.pool.Check(ctx, p.source.whole(), raw)
	if err == nil || !isFault(err) {
		return err
	}
	if found := p.schemaProblems(files, err); len(found) > 0 {
		return found
	}
	file := p.spec.file
	if n := len(p.spec.Values); n > 0 {
		file = cmp.Or(p.spec.Values[n-1].File, file)
	}
	return Problems{{File: file, Message: fmt.Sprintf("release %s: %s", p.spec.Name, strings.Join(strings.Fields(inOrder(p.hideFault(err).Error())), " ")), cause: p.hideFault(err)}}
}

// inOrder sorts what a validator lists: it goes through maps, and a message has to be
// the same each time.
func inOrder(text string) string {
	lines := strings.Split(text, "\n")
	for from := 0; from < len(lines); {
		to := from + 1
		for to < len(lines) && strings.HasPrefix(strings.TrimSpace(lines[to]), "-") {
			to++
		}
		slices.Sort(lines[min(from+1, to):to])
		from = to
	}
	return strings.Join(lines, "\n")
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
	// What few releases have stands where the values of the others begin with "{".
	if len(p.spec.Patches) > 0 {
		patches, err := json.Marshal(p.spec.Patches)
		if err != nil {
			return "", fmt.Errorf("encode the patches of release %s: %w", p.spec.Name, err)
		}
		part([]byte("patches"))
		part(patches)
	}
	for _, b := range p.blind {
		part([]byte("blind"))
		part([]byte(b))
	}
	values, err := json.Marshal(p.values) // keys are sorted
	if err != nil {
		return "", fmt.Errorf("encode the values of release %s: %w", p.spec.Name, err)
	}
	part(values)
	p.source.hash(part)
	return hex.EncodeToString(h.Sum(nil))[:40], nil
}
