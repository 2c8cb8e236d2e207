package render

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

// mostRetries bounds how often a rollout that failed is tried again by itself: each
// try takes a release that did not work through all its hooks once more.
const mostRetries = 10

// duration reads a field of a release that is how long something may take.
func (l *checker) duration(line int, field, text, release string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		l.refuse(line, "%s %q of release %s: use a duration like 10m or 90s", field, text, release)
	}
	return d
}

// graces reads how long pods of a release may be in trouble.
func (l *checker) graces(i int, r releaseDocument) (g manifest.Graces) {
	for _, f := range []struct {
		name, text string
		into       *time.Duration
	}{
		{"imagePull", r.Graces.ImagePull, &g.ImagePull},
		{"crashLoop", r.Graces.CrashLoop, &g.CrashLoop},
		{"configError", r.Graces.ConfigError, &g.ConfigError},
		{"unschedulable", r.Graces.Unschedulable, &g.Unschedulable},
	} {
		if f.text != "" {
			*f.into = l.duration(l.line("spec", "releases", i, "graces", f.name), "graces."+f.name, f.text, r.Name)
		}
	}
	return g
}
