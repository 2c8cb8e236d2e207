// Package veil masks the secrets of an environment's releases in all output: in texts, and in
// the lines of a log.
//
// It does not know who writes what, nor where the secrets come from.
package veil

import (
	"maps"
	"slices"
	"sync"

	"github.com/xetys/tether/agent/observed"
	"github.com/xetys/tether/render"
	"github.com/xetys/tether/render/mask"
)

// Veil hides the secrets of an environment's releases in all that is told of it. It is
// safe for concurrent use.
type Veil struct {
	mu       sync.Mutex
	releases map[observed.Key]*render.Prepared
	former   map[observed.Key][]*mask.Mask // what they knew before their values were others, the newest last
	parts    []*mask.Mask
	union    *mask.Mask // of parts
}

// maxFormer is how many former sets of a release's secrets are hidden: what runs, what
// failed since, and what is gone back to.
const maxFormer = 4

// Note has the secrets of a release hidden, beside those that it had before.
func (v *Veil) Note(key observed.Key, p *render.Prepared) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.releases == nil {
		v.releases, v.former = map[observed.Key]*render.Prepared{}, map[observed.Key][]*mask.Mask{}
	}
	if was := v.releases[key]; was != nil && was.Digest != p.Digest {
		former := append(v.former[key], was.Veil())
		v.former[key] = former[max(0, len(former)-maxFormer):]
	}
	v.releases[key] = p
}

// Of returns what knows the secrets of a release; nil if nothing does.
func (v *Veil) Of(key observed.Key) *render.Prepared {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.releases[key]
}

// Forget drops what is known of the releases that are gone.
func (v *Veil) Forget(gone func(observed.Key) bool) {
	v.mu.Lock()
	known := slices.Collect(maps.Keys(v.releases))
	v.mu.Unlock()
	known = slices.DeleteFunc(known, func(key observed.Key) bool { return !gone(key) }) // which may take locks of its own
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, key := range known {
		delete(v.releases, key)
		delete(v.former, key)
	}
}

// Text hides secrets in a text.
func (v *Veil) Text(text string) string { return v.all().Text(text) }

func (v *Veil) all() *mask.Mask {
	v.mu.Lock()
	defer v.mu.Unlock()
	parts := make([]*mask.Mask, 0, len(v.parts))
	for key, p := range v.releases {
		for _, m := range append(v.former[key][:len(v.former[key]):len(v.former[key])], p.Veil()) {
			if !m.Empty() {
				parts = append(parts, m)
			}
		}
	}
	if !sameMasks(parts, v.parts) {
		v.parts, v.union = parts, mask.Union(parts...)
	}
	return v.union
}

// sameMasks compares sets of masks.
func sameMasks(a, b []*mask.Mask) bool {
	if len(a) != len(b) {
		return false
	}
	in := make(map[*mask.Mask]bool, len(a))
	for _, m := range a {
		in[m] = true
	}
	return !slices.ContainsFunc(b, func(m *mask.Mask) bool { return !in[m] })
}
