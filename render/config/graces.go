package config

import (
	"time"

	"github.com/xetys/tether/render/manifest"
)

type gracesDocument struct {
	ImagePull     string `yaml:"imagePull"`
	CrashLoop     string `yaml:"crashLoop"`
	ConfigError   string `yaml:"configError"`
	Unschedulable string `yaml:"unschedulable"`
}

// maxRetries bounds how often a rollout that failed is tried again by itself: each
// try takes a release that did not work through all its hooks once more.
const maxRetries = 10

// graces reads how long pods of a release may be in trouble.
func (l *checker) graces(i int, release string, d gracesDocument) (g manifest.Graces) {
	for _, f := range []struct {
		name, text string
		into       *time.Duration
	}{
		{"imagePull", d.ImagePull, &g.ImagePull},
		{"crashLoop", d.CrashLoop, &g.CrashLoop},
		{"configError", d.ConfigError, &g.ConfigError},
		{"unschedulable", d.Unschedulable, &g.Unschedulable},
	} {
		if f.text != "" {
			*f.into = l.duration(l.line("spec", "releases", i, "graces", f.name), "graces."+f.name, f.text, release)
		}
	}
	return g
}
