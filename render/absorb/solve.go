package absorb

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/xetys/tether/render"
	"github.com/xetys/tether/render/edit"
	"github.com/xetys/tether/render/images"
	"github.com/xetys/tether/render/manifest"
)

// The bounds of trials: each is a render.
const (
	maxTrialsPerChange  = 80
	maxTrialsPerRelease = 1500
)

// solution is what was found for an object.
type solution struct {
	changes []*images.Change
	parts   []part
}

// part is one change of the object, by its path, and where it went.
type part struct{ path, file, key, why string }

// of is where a field went: all that was changed at it, or below. Nothing is returned for
// what git renders as it is live already.
func (f *solution) of(path string) (file, key, why string) {
	for _, p := range f.parts {
		if !below(p.path, path) && !below(path, p.path) {
			continue
		}
		if p.file == "" {
			return "", "", p.why
		}
		if key != "" && !strings.Contains(key, p.key) {
			p.key = key + ", " + p.key
		}
		file, key, why = p.file, p.key, p.why
	}
	return file, key, why
}

func below(path, other string) bool {
	rest, ok := strings.CutPrefix(path, other)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// solve finds the changes that have an object rendered as the target.
func (s *solver) solve(id manifest.ID, target *unstructured.Unstructured) (*solution, error) {
	found := &solution{}
	goal := leaves{}
	goal.add(id, false, target.Object)
	failed := map[string]string{}
	for {
		left := slices.DeleteFunc(differences(s.object(id).Object, target.Object), func(c difference) bool { return failed[c.path] != "" })
		if len(left) == 0 {
			break
		}
		why := left[0].secret()
		if why == "" {
			var err error
			if why, err = s.one(id, target.Object, goal, left[0], found); err != nil {
				return nil, err
			}
		}
		if why != "" {
			failed[left[0].path] = why
		}
	}
	if err := s.ctx.Err(); err != nil {
		return nil, err
	}
	var rest []difference
	for _, c := range differences(s.object(id).Object, target.Object) {
		if failed[c.path] == errEncrypted.Error() || failed[c.path] == secretText {
			found.parts = append(found.parts, part{path: c.path, why: failed[c.path]})
		} else {
			rest = append(rest, c)
		}
	}
	return found, s.patch(id, goal, rest, failed, found)
}

// one tries to have values decide one difference. It returns why they do not.
func (s *solver) one(id manifest.ID, target map[string]any, goal leaves, c difference, found *solution) (string, error) {
	near := ""
	for i, way := range s.ways(id, c) {
		if s.ctx.Err() != nil {
			return "", s.ctx.Err()
		}
		if s.trials++; i >= maxTrialsPerChange || s.trials > maxTrialsPerRelease {
			break
		}
		values := assignAll(s.p.Values(), render.MergeValues(s.now.Defaults, s.p.Values()), way)
		rel, err := s.render(s.p.Try(render.Trial{Values: values}), false)
		if err != nil {
			continue
		}
		ok, also := s.accepts(id, goal, c, s.names.leavesOf(rel))
		if !ok {
			if also != "" && near == "" {
				near = fmt.Sprintf("%s decides it, and would change %s too", way, also)
			}
			continue
		}
		changes, err := s.write(way, values)
		if errors.Is(err, errEncrypted) {
			return err.Error(), nil
		}
		if err != nil {
			near = err.Error()
			continue
		}
		before := differences(s.object(id).Object, target)
		if why := s.take(id, goal, c, changes); why != "" {
			near = why
			continue
		}
		found.changes = append(found.changes, changes...)
		after := differences(s.object(id).Object, target)
		for _, d := range before { // one key may decide several fields
			if !slices.ContainsFunc(after, func(a difference) bool { return a.path == d.path }) {
				found.parts = append(found.parts, part{path: d.path, file: changes[0].File, key: way.String()})
			}
		}
		return "", nil
	}
	if near == "" {
		near = "no value of the release decides it"
	}
	return near, nil
}

// accepts reports whether what a trial renders is nearer to the goal: each value is as it
// was or as it is to be, and the difference is gone. Else it says what else would change,
// if the difference is gone.
func (s *solver) accepts(id manifest.ID, goal leaves, c difference, tried leaves) (bool, string) {
	done, also := false, ""
	at := func(l leaf) {
		if s.generated[l] || also != "" {
			return
		}
		was, is, to := s.leaves[l], tried[l], s.leaves[l]
		ours := l.id == id && !l.hook
		if ours {
			to = goal[l]
		}
		switch {
		case is == was:
		case is == to:
			done = done || below(l.path, c.path)
		default:
			also = strings.TrimSpace(l.id.String() + " " + l.path)
		}
	}
	for l := range tried {
		at(l)
	}
	for l := range s.leaves {
		at(l)
	}
	if also != "" {
		for l, to := range goal {
			if below(l.path, c.path) && tried[l] != to {
				return false, ""
			}
		}
		return false, also
	}
	return done, ""
}

// take proves changes of files, and goes on from them. It returns why they don't hold.
func (s *solver) take(id manifest.ID, goal leaves, c difference, changes []*images.Change) string {
	next := *s
	repo := s.repo
	for _, one := range changes {
		repo = repo.With(one)
	}
	if err := next.open(repo, s.env.Name, true); err != nil {
		return s.p.Mask(strings.Join(strings.Fields(err.Error()), " "))
	}
	if ok, also := s.accepts(id, goal, c, next.leaves); !ok {
		if also == "" {
			also = "nothing"
		}
		return "written into its file, it changes " + also
	}
	*s = next
	return ""
}

// write writes values into the files that they belong to.
func (s *solver) write(way way, values map[string]any) ([]*images.Change, error) {
	repo := s.repo
	var out []*images.Change
	for _, v := range way {
		keys := v.keys()
		file, path, err := repo.Place(s.env, s.p.Spec(), keys)
		if errors.Is(err, images.ErrEncrypted) {
			return nil, errEncrypted
		}
		if err != nil {
			return nil, err
		}
		c := &images.Change{File: file}
		if c.Before, err = fs.ReadFile(repo.Files, file); err != nil {
			return nil, err
		}
		if to, set := lookUp(values, keys); set {
			c.After, err = edit.Put(c.Before, path, to)
		} else {
			c.After, err = edit.Remove(c.Before, path)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		out, repo = append(out, c), repo.With(c)
	}
	return out, nil
}
