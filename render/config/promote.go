package config

import (
	"io/fs"
	"path"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/xetys/tether/render/yamldoc"
)

// PromoteSpec has the agent bring the images that run in another environment into this one's
// values, by a commit.
type PromoteSpec struct {
	// From is the environment whose images are taken.
	From string
	// After is how long a release has to have been live and healthy there.
	After time.Duration
	// Releases are the releases that are promoted; all that both environments have if empty.
	Releases []string
	// Via is ViaCommit or ViaBranch.
	Via string
	// Line is where it stands in environment.yaml.
	Line int
}

// How a promotion gets into git: by a commit on the branch that the environment follows, or
// on a branch of its own, for a person to merge.
const (
	ViaCommit = "commit"
	ViaBranch = "branch"
)

type promoteDocument struct {
	From     string   `yaml:"from"`
	After    string   `yaml:"after"`
	Releases []string `yaml:"releases"`
	Via      string   `yaml:"via"`
}

// promote reads the promotion that an environment declares; nil for none.
func (l *checker) promote(env *Environment, d *promoteDocument) *PromoteSpec {
	if d == nil {
		return nil
	}
	at := func(field string) int { return l.line("spec", "promote", field) }
	p := &PromoteSpec{From: d.From, Releases: d.Releases, Via: d.Via, Line: l.line("spec", "promote")}
	if after, err := time.ParseDuration(d.After); err != nil || after <= 0 {
		l.refuse(at("after"), "promote.after %q: use how long a release has to have been live and healthy in %s, such as 1h", d.After, d.From)
	} else {
		p.After = after
	}
	if d.Via != ViaCommit && d.Via != ViaBranch {
		l.refuse(at("via"), "promote.via is %q: use commit, for a commit on the branch that the environment follows, or branch, for one on a branch that somebody merges", d.Via)
	}
	for i, name := range d.Releases {
		if !slices.ContainsFunc(env.Releases, func(r ReleaseSpec) bool { return r.Name == name }) {
			l.refuse(l.line("spec", "promote", "releases", i), "promote.releases: the environment has no release %s", name)
		}
	}
	l.promotesFrom(env, d.From, at("from"))
	return p
}

// promotesFrom refuses a source that is not there, and a circle of promotions: two that
// differ would give each other their images for ever.
func (l *checker) promotesFrom(env *Environment, from string, line int) {
	if !EnvironmentName(from) || !Exists(l.files, from) {
		l.refuse(line, "promote.from is %q: the repository has no such environment", from)
		return
	}
	chain := []string{env.Name}
	for next := from; next != ""; next = promoteFrom(l.files, next) {
		if slices.Contains(chain, next) {
			l.refuse(line, "promote.from goes in a circle: %v", append(chain, next))
			return
		}
		chain = append(chain, next)
	}
}

// promoteFrom is where another environment's images come from; empty for nowhere, and for an
// environment that can't be read, which is told of itself.
func promoteFrom(files fs.FS, name string) string {
	if !EnvironmentName(name) {
		return ""
	}
	raw, err := ReadFile(files, path.Join("environments", name, "environment.yaml"), MaxFile)
	if err != nil {
		return ""
	}
	if _, err := yamldoc.File.ParseOne(raw); err != nil { // it is counted before it is read
		return ""
	}
	var doc struct {
		Spec struct {
			Promote struct {
				From string `yaml:"from"`
			} `yaml:"promote"`
		} `yaml:"spec"`
	}
	if yaml.Unmarshal(raw, &doc) != nil {
		return ""
	}
	return doc.Spec.Promote.From
}
