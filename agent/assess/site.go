package assess

import (
	"context"
	"io/fs"
	"time"

	"github.com/xetys/tether/agent/observed"
	"github.com/xetys/tether/agent/veil"
	"github.com/xetys/tether/apply"
	"github.com/xetys/tether/apply/kube"
	"github.com/xetys/tether/apply/realm"
	"github.com/xetys/tether/apply/record"
	"github.com/xetys/tether/render"
	"github.com/xetys/tether/source"
)

// Config is the part of the agent's configuration that an assessment needs.
type Config struct {
	Home         string // the agent's namespace
	Environments int    // how many the agent keeps
	Refs         map[string]source.Ref
	Limits       realm.Limits
	Keys         Keys
	Now          func() time.Time
}

// Site is an environment in its cluster: what an assessment reads.
type Site struct {
	Environment string
	Config
	Files      func(commit string) (fs.FS, error) // a commit's tree
	Cluster    *apply.Cluster
	Renderer   *render.Renderer
	References *kube.References // what the environment refers to in the cluster
	Observed   *observed.State
	Veil       *veil.Veil
	Homes      *Homes
	Listener   Listener
}

// Listener is told of what an assessment comes upon.
type Listener interface {
	// Wake is called when somebody else wrote or deleted a record.
	Wake()
	// Damaged is told of the records of a release, some of which may be set aside.
	Damaged(ctx context.Context, release string, history record.History)
	// Surveyed is told what a release was found to be, and was before; nil if not known.
	Surveyed(r *Release, before, now *observed.Baseline)
	// Warn is told what keeps the environment from nothing.
	Warn(message string, args ...any)
}

// sameRef reports whether another environment follows the same ref, as far as this agent
// knows: else its files of this commit say nothing about it.
func (s *Site) sameRef(other string) bool {
	ref, known := s.Refs[other]
	return !known || ref == s.Refs[s.Environment]
}

// limits are what the agent's configuration says, with the agent's own namespace.
func (s *Site) limits() realm.Limits {
	l := s.Limits
	l.Home = s.Home
	return l
}
