package blame

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/xetys/tether/render"
	"github.com/xetys/tether/render/config"
	"github.com/xetys/tether/render/manifest"
)

// where is a release by its names, which change with renames.
type where struct{ environment, release string }

// walk goes back in history, and gives each line to the commit that made it what it is.
type walk struct {
	*Blamer
	ctx          context.Context
	keys         render.InputKeys
	states       map[string]*state              // by the key of their inputs
	environments map[string]*render.Environment // by git's hash of environment.yaml
	told         map[string]bool                // those that lines were given to
	order        []*Commit                      // the same, those nearest to the head first
	broken       []string                       // what could not be rendered
	refused      int
}

// inputs are a release's inputs at a commit.
type inputs struct {
	where
	key  string // empty if the release is not there
	spec config.ReleaseSpec
	err  error // why it was refused
}

// run goes back by first parents, and into what was merged. merge is the commit that
// brought these ones to the branch; empty for the branch itself.
func (w *walk) run(from *Commit, at where, lines []*line, merge string) error {
	now := w.inputs(from, at)
	good := from // the oldest commit so far that renders as the newest does, in these lines
	c := from
	for len(lines) > 0 {
		if err := w.ctx.Err(); err != nil {
			return err
		}
		if len(c.Parents) == 0 {
			w.give(good, lines, merge, c.Cut)
			return nil
		}
		parent, err := w.History.Commit(c.Parents[0])
		if err != nil {
			w.broken = append(w.broken, fmt.Sprintf("the history ends at %.7s: %v", c.SHA, err))
			w.give(good, lines, merge, true)
			return nil
		}
		before := w.followed(parent, c, now.where)
		if before.err == nil && before.key == now.key {
			now, c, good = before, parent, parent
			continue
		}
		past := w.state(parent, before)
		if past.err != nil {
			w.refuse(parent, past.err)
			c = parent
			continue
		}
		kept, changed := split(lines, past, now.spec, before.spec)
		if len(changed) > 0 {
			if err := w.into(good, now.where, changed, merge); err != nil {
				return err
			}
		}
		lines, now, c, good = kept, before, parent, parent
	}
	return nil
}

// into gives lines to a commit, or to those that it merged.
func (w *walk) into(c *Commit, at where, lines []*line, merge string) error {
	for _, sha := range c.Parents[min(1, len(c.Parents)):] {
		side, err := w.History.Commit(sha)
		if err != nil {
			break // a clone may be without it
		}
		in := w.inputs(side, at)
		past := w.state(side, in)
		if past.err != nil || in.key == "" {
			continue
		}
		same, other := split(lines, past, in.spec, in.spec)
		if len(same) > 0 {
			by := merge
			if by == "" {
				by = c.SHA
			}
			if err := w.run(side, at, same, by); err != nil {
				return err
			}
		}
		lines = other
	}
	w.give(c, lines, merge, false)
	return nil
}

// give says of lines that a commit made them what they are.
func (w *walk) give(c *Commit, lines []*line, merge string, cut bool) {
	for _, l := range lines {
		l.field.Commit, l.field.Merge, l.field.Older = c.SHA, merge, cut
		w.tell(c)
	}
	if merge != "" && len(lines) > 0 && !w.told[merge] {
		if m, err := w.History.Commit(merge); err == nil {
			w.tell(m)
		}
	}
}

func (w *walk) tell(c *Commit) {
	if !w.told[c.SHA] {
		w.told[c.SHA] = true
		w.order = append(w.order, c)
	}
}

// split tells lines that were the same before from those that changed. An object may have
// had the name of the release as it was called then. What is generated has the commit
// that brought it.
func split(lines []*line, past *state, now, before config.ReleaseSpec) (kept, changed []*line) {
	for _, l := range lines {
		id := l.object
		if !past.has(id, l.hook) {
			id = formerly(id, now, before)
		}
		value, ok := past.value(id, l.hook, l.key)
		if ok && (value == l.value || l.field.Generated) {
			l.object = id
			kept = append(kept, l)
		} else {
			changed = append(changed, l)
		}
	}
	return kept, changed
}

// formerly is an object's identity when its release had another name or namespace.
func formerly(id manifest.ID, now, before config.ReleaseSpec) manifest.ID {
	if id.Namespace == now.Namespace && before.Namespace != "" {
		id.Namespace = before.Namespace
	}
	if before.Name != "" && before.Name != now.Name {
		id.Name = strings.Replace(id.Name, now.Name, before.Name, 1)
	}
	return id
}

// state is what a release rendered to at a commit; nothing if it was not there.
func (w *walk) state(c *Commit, in inputs) *state {
	if in.err != nil {
		return &state{err: in.err}
	}
	if in.key == "" {
		return &state{}
	}
	if s := w.states[in.key]; s != nil {
		return s
	}
	s := &state{}
	if !w.Cache.read("state", in.key, s) || !in.spec.Firm() {
		s = w.rendered(c, in)
	}
	w.states[in.key] = s
	return s
}

func (w *walk) rendered(c *Commit, in inputs) *state {
	env, err := render.LoadEnvironment(c.Files, in.environment) // anew: it counts what is read for it
	if err != nil {
		return &state{err: err}
	}
	p, err := w.Renderer.Prepare(w.ctx, c.Files, env, in.spec)
	if err != nil {
		return &state{err: err}
	}
	rel, err := w.render(w.ctx, p)
	if err != nil {
		return &state{err: err}
	}
	s := stateOf(rel)
	if !p.HasSecrets() && in.spec.Firm() { // hashes of secrets are not left on a disk
		w.Cache.write("state", in.key, s)
	}
	return s
}

// inputs reads what a release was made of at a commit.
func (w *walk) inputs(c *Commit, at where) inputs {
	in := inputs{where: at}
	env, err := w.environment(c, at.environment)
	if err != nil || env == nil {
		in.err = err
		return in
	}
	i := slices.IndexFunc(env.Releases, func(s config.ReleaseSpec) bool { return s.Name == at.release })
	if i < 0 {
		return in
	}
	in.spec = env.Releases[i]
	if in.key, err = w.keys.Of(c.Files, in.spec); err != nil {
		_, in.err = render.LoadEnvironment(c.Files, at.environment) // which says what is not there
		if in.err == nil {
			in.err = err
		}
	}
	return in
}

// environment reads environment.yaml of a commit, if it has not been read; nil if there is
// none.
func (w *walk) environment(c *Commit, name string) (*render.Environment, error) {
	h, ok := c.Files.(interface{ Hash(string) (string, error) })
	if !ok {
		return nil, fmt.Errorf("commit %.7s has no hashes", c.SHA)
	}
	hash, err := h.Hash("environments/" + name + "/environment.yaml")
	if err != nil {
		return nil, nil
	}
	key := name + " " + hash
	if env := w.environments[key]; env != nil {
		return env, nil
	}
	env, err := render.LoadEnvironment(c.Files, name)
	if err != nil {
		return nil, err
	}
	w.environments[key] = env
	return env, nil
}

// refuse notes a commit that can't be rendered.
func (w *walk) refuse(c *Commit, err error) {
	const most = 3
	if w.refused++; w.refused <= most {
		w.broken = append(w.broken, fmt.Sprintf("%.7s can't be rendered, so what it changed is told of the next commit that can: %s", c.SHA, strings.Join(strings.Fields(err.Error()), " ")))
	}
}

// describeCommits says of the commits what is known, the last one first: as the history has them,
// since clocks differ, and many commits have one time.
func (w *walk) describeCommits(out *Release) {
	for _, c := range w.order {
		out.Commits = append(out.Commits, CommitInfo{Commit: c.SHA, Subject: c.Subject, Author: c.Author, Time: c.Time})
	}
	out.Notes = append(out.Notes, w.broken...)
	if n := w.refused - 3; n > 0 {
		out.Notes = append(out.Notes, fmt.Sprintf("%d more commits can't be rendered", n))
	}
}
