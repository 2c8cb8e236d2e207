// Package render turns an environment's releases into objects: it merges values, and
// renders charts with Helm.
//
// It does not know git or a cluster: it reads an fs.FS, and the cluster's capabilities are
// given to it.
package render

import (
	"io/fs"
	"path"

	"github.com/xetys/tether/render/charts"
	"github.com/xetys/tether/render/config"
	"github.com/xetys/tether/render/mask"
)

// Environment is an environment whose releases are prepared: what its file says, and what
// was read for it so far. It is safe for concurrent use.
type Environment struct {
	*config.Environment
	// Pins are what charts that lie elsewhere were resolved to.
	Pins *charts.Pins

	taken taken       // what was read for its releases
	names *mask.Names // what is no secret when a secret equals it
}

// LoadEnvironment reads environments/NAME/environment.yaml, as config.Load does.
func LoadEnvironment(files fs.FS, name string) (*Environment, error) {
	env, err := config.Load(files, name)
	if env == nil {
		return nil, err
	}
	return NewEnvironment(env), err
}

// NewEnvironment returns an environment of which nothing was prepared yet.
func NewEnvironment(env *config.Environment) *Environment {
	all := []string{env.Name, env.Namespace}
	for _, r := range env.Releases {
		all = append(all, r.Name, r.Namespace, path.Base(r.Chart))
	}
	return &Environment{Environment: env, Pins: &charts.Pins{}, names: mask.NewNames(all...)}
}
