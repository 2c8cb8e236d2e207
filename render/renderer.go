package render

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/xetys/tether/render/charts"
	"github.com/xetys/tether/render/config"
	"github.com/xetys/tether/render/fetch"
	"github.com/xetys/tether/render/sops"
	"github.com/xetys/tether/render/worker"
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
	charts   *charts.Store
	mu       sync.Mutex
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
	return &Renderer{config: c, memory: &memory{pool: worker.Shared(), charts: charts.NewStore(worker.Shared()), prepared: map[string]keyed{}}}
}

// With returns a Renderer with other references and keys that shares what this one
// remembers: environments may lie in different clusters, and have different keys.
func (r *Renderer) With(refs References, keys func(context.Context) (*sops.Keys, error)) *Renderer {
	c := r.config
	c.References, c.Keys = refs, keys
	return &Renderer{config: c, memory: r.memory}
}

// Retain drops what was prepared of the environment's releases that it does not have any
// more.
func (r *Renderer) Retain(env *Environment) {
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.DeleteFunc(r.prepared, func(at string, _ keyed) bool {
		of, release, _ := strings.Cut(at, "/")
		return of == env.Name && !slices.ContainsFunc(env.Releases, func(s config.ReleaseSpec) bool { return s.Name == release })
	})
}

func (r *Renderer) known(at string) keyed {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.prepared[at]
}

// Deployed has what was rendered of a release forgotten: it is in its record now.
func (r *Renderer) Deployed(p *Prepared) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.outputs.drop(p.source())
}
