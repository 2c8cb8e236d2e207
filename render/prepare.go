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
	"slices"
	"strings"

	"github.com/xetys/tether/render/charts"
	"github.com/xetys/tether/render/config"
	"github.com/xetys/tether/render/worker"
	"github.com/xetys/tether/render/yamldoc"
)

// Prepare reads a release's chart and values and checks the values against the
// chart's schema. What is wrong with them is returned as Problems; an AwayError says
// that what lies elsewhere could not be had now. Any other error is worth another try
// as well.
func (r *Renderer) Prepare(ctx context.Context, files fs.FS, env *Environment, spec config.ReleaseSpec) (*Prepared, error) {
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
func (r *Renderer) prepareOrFind(ctx context.Context, files fs.FS, env *Environment, spec config.ReleaseSpec) (*Prepared, error) {
	ctx = worker.For(ctx, env.Name)
	src, err := r.chart(ctx, files, env, spec)
	if err != nil {
		return nil, err
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

// hasher is a file system that knows a hash of each file and folder; git does.
type hasher interface {
	Hash(path string) (string, error)
}

// inputsKey names a release's inputs without reading its files; empty if the files
// have no hashes.
func inputsKey(files fs.FS, src *charts.Chart, spec config.ReleaseSpec, in *inputs) string {
	h, ok := files.(hasher)
	if !ok || src.Key == "" {
		return ""
	}
	own, err := inlineKey(&spec)
	if err != nil {
		return ""
	}
	parts := []string{src.Key, spec.Name, spec.Namespace, own, in.key()}
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

func (r *Renderer) prepare(ctx context.Context, files fs.FS, src *charts.Chart, env *Environment, spec config.ReleaseSpec, in *inputs) (*Prepared, error) {
	p := &Prepared{environment: env.Name, spec: spec, chart: src, files: files, hiding: &hiding{names: env.names, values: map[string]bool{}}}
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
	if !p.chart.Constrains() {
		return nil // what else is wrong shows when it is rendered
	}
	err = r.pool.Check(ctx, p.chart.Sent(), raw)
	if err == nil || !isFault(err) {
		return err
	}
	if found := p.schemaProblems(files, err); len(found) > 0 {
		return found
	}
	file := p.spec.File
	if n := len(p.spec.Values); n > 0 {
		file = cmp.Or(p.spec.Values[n-1].File, file)
	}
	return config.Problems{{File: file, Message: fmt.Sprintf("release %s: %s", p.spec.Name, strings.Join(strings.Fields(inOrder(p.hideFault(err).Error())), " ")), Cause: p.hideFault(err)}}
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
	// Few releases have patches: theirs stand where the values of the others begin with "{".
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
	p.chart.Hash(part)
	return hex.EncodeToString(h.Sum(nil))[:40], nil
}
