package why

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/render"
	"github.com/xetys/tether/render/blame"
	"github.com/xetys/tether/source"
)

// Teller tells readers of an agent what git says of objects. It renders without keys and without
// a cluster: what comes from a Secret is named, and never known. One question is answered at a
// time, so that readers take no more than one processor of what deploys. It is safe for concurrent
// use.
type Teller struct {
	source  source.Historian
	blamers func(*render.Capabilities, blame.History) *blame.Blamer
	turn    chan struct{}
}

// NewTeller returns what tells of a source's commits. What they render to is kept in cache.
func NewTeller(s source.Historian, c render.Config, cache *blame.Cache) *Teller {
	c.References, c.Keys, c.Lenient = nil, nil, true
	renderer := render.NewRenderer(c)
	return &Teller{source: s, turn: make(chan struct{}, 1), blamers: func(caps *render.Capabilities, h blame.History) *blame.Blamer {
		seen := strings.Join(append([]string{caps.KubeVersion}, caps.APIVersions...), "\n")
		return &blame.Blamer{History: h, Renderer: renderer, Options: render.Options{Revision: 1, Capabilities: caps}, Cache: cache.For(seen)}
	}}
}

// answerFor bounds an answer: a page waits for it.
const answerFor = 20 * time.Second

// maxNeedingReleases is of how many releases each is rendered to know what needs an object.
const maxNeedingReleases = 100

// Objects returns the names of what a release of the ledger's environment renders to, at its
// newest commit or, where that can't be rendered, at the one that is applied.
func (t *Teller) Objects(ctx context.Context, l *ledger.Ledger, caps *render.Capabilities, release string) (objects []string, at string, err error) {
	err = t.ask(ctx, l, caps, func(ctx context.Context, b *blame.Blamer, head *blame.Commit) error {
		objects, err = b.Objects(ctx, head, l.Environment, release)
		at = head.SHA
		return err
	})
	return objects, at, err
}

// Page returns what git and the ledger say of an object of a release, which is named as Objects
// does, and the object itself.
func (t *Teller) Page(ctx context.Context, l *ledger.Ledger, caps *render.Capabilities, release, object string) (page *Page, o *Rendered, err error) {
	err = t.ask(ctx, l, caps, func(ctx context.Context, b *blame.Blamer, head *blame.Commit) error {
		page = NewPage(l.Environment, object)
		o, err = page.Fill(ctx, b, head, Asked{Release: release, Query: blame.Query{Objects: []string{object}}}, l)
		if err != nil {
			return err
		}
		if newest := l.Head().Commit.Commit; newest != head.SHA {
			page.Notes = append(page.Notes, fmt.Sprintf("commit %.7s can't be rendered: this is told of %.7s, which is applied", newest, head.SHA))
		}
		if n := len(l.Releases); n > maxNeedingReleases {
			page.Notes = append(page.Notes, fmt.Sprintf("what depends on it is not told: the environment has %d releases; tether why tells it", n))
			return nil
		}
		return page.FillNeededBy(ctx, b, head)
	})
	return page, o, err
}

// ask puts a question at the newest commit, and if that has no answer at the applied one.
func (t *Teller) ask(ctx context.Context, l *ledger.Ledger, caps *render.Capabilities, question func(context.Context, *blame.Blamer, *blame.Commit) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, answerFor, fmt.Errorf("it takes longer than %s: ask again, or use tether why", answerFor))
	defer cancel()
	select {
	case t.turn <- struct{}{}:
		defer func() { <-t.turn }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	history, err := t.source.History()
	if err != nil {
		return err
	}
	b := t.blamers(caps, History{history})
	defer b.Cache.Trim()
	first := error(&UnknownError{"nothing was deployed to environment " + l.Environment + " yet"})
	for i, sha := range commitsToAsk(l) {
		var head *blame.Commit
		if head, err = b.History.Commit(sha); err == nil {
			err = question(ctx, b, head)
		}
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if i == 0 {
			first = err
		}
	}
	return first
}

// commitsToAsk are the newest commit and the one that is applied, each once.
func commitsToAsk(l *ledger.Ledger) []string {
	var out []string
	if head := l.Head(); head != nil {
		out = append(out, head.Commit.Commit)
	}
	if l.Applied != nil && (len(out) == 0 || out[0] != l.Applied.Commit) {
		out = append(out, l.Applied.Commit)
	}
	return out
}
