package agent

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"

	"github.com/xetys/tether/render"
	"github.com/xetys/tether/render/mask"
)

// veiled is a release; see releaseKey.
type veiled struct{ namespace, name string }

// veil hides the secrets of an environment's releases in all that is told of it. It is
// safe for concurrent use.
type veil struct {
	mu       sync.Mutex
	releases map[veiled]*render.Prepared
	former   map[veiled][]*mask.Mask // what they knew before their values were others, the newest last
	parts    []*mask.Mask
	union    *mask.Mask // of parts
}

// mostFormer is how many former sets of a release's secrets are hidden: what runs, what
// failed since, and what is gone back to.
const mostFormer = 4

// note has the secrets of a release hidden, beside those that it had before.
func (v *veil) note(key veiled, p *render.Prepared) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.releases == nil {
		v.releases, v.former = map[veiled]*render.Prepared{}, map[veiled][]*mask.Mask{}
	}
	if was := v.releases[key]; was != nil && was.Digest != p.Digest {
		former := append(v.former[key], was.Veil())
		v.former[key] = former[max(0, len(former)-mostFormer):]
	}
	v.releases[key] = p
}

// of returns what knows the secrets of a release; nil if nothing does.
func (v *veil) of(key veiled) *render.Prepared {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.releases[key]
}

// forget drops what is known of the releases that are gone.
func (v *veil) forget(gone func(veiled) bool) {
	v.mu.Lock()
	known := slices.Collect(maps.Keys(v.releases))
	v.mu.Unlock()
	known = slices.DeleteFunc(known, func(key veiled) bool { return !gone(key) }) // which may take locks of its own
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, key := range known {
		delete(v.releases, key)
		delete(v.former, key)
	}
}

// text hides secrets in a text.
func (v *veil) text(text string) string { return v.all().Text(text) }

func (v *veil) all() *mask.Mask {
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

// veiledLog is a log that hides secrets.
type veiledLog struct {
	slog.Handler
	text func(string) string
}

// Handle hides secrets in a line.
func (h veiledLog) Handle(ctx context.Context, line slog.Record) error {
	out := slog.NewRecord(line.Time, line.Level, h.text(line.Message), line.PC)
	line.Attrs(func(a slog.Attr) bool {
		out.AddAttrs(h.attr(a))
		return true
	})
	return h.Handler.Handle(ctx, out)
}

// WithAttrs hides secrets in what all lines of a log have.
func (h veiledLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	hidden := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		hidden[i] = h.attr(a)
	}
	return veiledLog{h.Handler.WithAttrs(hidden), h.text}
}

// WithGroup opens a group.
func (h veiledLog) WithGroup(name string) slog.Handler {
	return veiledLog{h.Handler.WithGroup(name), h.text}
}

// attr hides secrets in texts, and in what is told as a text. Groups are not used.
func (h veiledLog) attr(a slog.Attr) slog.Attr {
	switch v := a.Value.Resolve(); v.Kind() {
	case slog.KindString:
		return slog.String(a.Key, h.text(v.String()))
	case slog.KindAny, slog.KindGroup:
		return slog.String(a.Key, h.text(fmt.Sprint(v.Any())))
	}
	return a
}
