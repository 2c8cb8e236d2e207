package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/xetys/tether/agent/assess"
	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/render"
	"github.com/xetys/tether/render/config"
)

// nothing is a repository without files.
type nothing struct{}

func (nothing) Open(name string) (fs.File, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

// byServer compares a tree with what runs, as an agent's read API tells it: each release with
// the commit whose content runs, rendered from this repository, and with its drift. It asks for
// no Secrets and sends no dry-runs.
func (f *diffFlags) byServer(ctx context.Context, with render.Config, to fs.FS, environment string) (*assess.Difference, error) {
	server, err := f.server.client()
	if err != nil {
		return nil, err
	}
	st, err := server.Status(ctx, environment)
	if err != nil {
		return nil, err
	}
	out := &assess.Difference{Environment: environment, Releases: []assess.ReleaseDifference{}, Refusals: []string{}}
	runs := map[string][]string{"": nil} // releases by the commit that they run
	known := map[string]bool{}
	for _, r := range st.Releases {
		if r.Commit != "" {
			runs[r.Commit] = append(runs[r.Commit], releaseKey(r.Namespace, r.Name))
			known[releaseKey(r.Namespace, r.Name)] = true
		}
	}
	for commit, releases := range runs {
		var from fs.FS = nothing{} // of what does not run
		if commit != "" {
			if from, err = f.files(commit); err != nil {
				return nil, usageError{fmt.Errorf("%s of environment %s runs commit %.7s, which this repository does not have, fetch it first: %w", strings.Join(releases, ", "), environment, commit, err)}
			}
		}
		d, err := between(ctx, with, from, to, environment)
		if err != nil {
			return nil, err
		}
		for _, r := range d.Releases {
			if key := releaseKey(r.Namespace, r.Name); slices.Contains(releases, key) || commit == "" && !known[key] {
				out.Releases = append(out.Releases, r)
			}
		}
		out.Unread = append(out.Unread, d.Unread...)
	}
	for _, r := range st.Releases {
		var drifted []ledger.Drift
		for _, f := range r.Drift {
			drifted = append(drifted, f.Drift)
		}
		out.AddDrift(r.Namespace, r.Name, drifted)
	}
	slices.SortFunc(out.Releases, func(a, b assess.ReleaseDifference) int {
		return strings.Compare(releaseKey(a.Namespace, a.Name), releaseKey(b.Namespace, b.Name))
	})
	slices.Sort(out.Unread)
	out.Unread = slices.Compact(out.Unread)
	return out, nil
}

func releaseKey(namespace, name string) string { return namespace + "/" + name }

// between compares two trees; one that has no such environment any more has no releases.
func between(ctx context.Context, with render.Config, from, to fs.FS, environment string) (*assess.Difference, error) {
	if !config.Exists(from, environment) && !config.Exists(to, environment) {
		return &assess.Difference{}, nil
	}
	return assess.Between(ctx, with, from, to, environment, render.Options{Revision: 1, Capabilities: render.OfflineCapabilities("", nil)})
}

// checkServer refuses what does not go with --server.
func (f *diffFlags) checkServer() error {
	if f.server.url != "" && !f.live {
		return usageError{errors.New("--server tells what runs now: give --live too")}
	}
	return nil
}
