package live

import (
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/xetys/tether/apply/kube"
	"github.com/xetys/tether/render/manifest"
)

// deletion is the last one that was seen of an object.
type deletion struct {
	version string // the resource version
	at      time.Time
	last    *cachedObject // what it was like, if it is of a kind that runs to an end
}

// deletions are those that are remembered.
type deletions struct {
	all   map[manifest.ID]deletion
	swept time.Time // when it was last swept
}

// sweepEvery is how long a deletion is remembered at least: longer than an answer
// to a write can be under way.
const sweepEvery = 2 * kube.RequestTimeout

// sweep forgets objects that have been gone for long, and returns them.
func (d *deletions) sweep(now time.Time) []manifest.ID {
	if now.Sub(d.swept) < sweepEvery {
		return nil
	}
	d.swept = now
	var out []manifest.ID
	for id, one := range d.all {
		if now.Sub(one.at) >= sweepEvery {
			out = append(out, id)
			delete(d.all, id)
		}
	}
	return out
}

// deletionOf is the deletion of an object that was last seen as k.
func deletionOf(k *cachedObject) deletion {
	d := deletion{version: k.ResourceVersion, at: time.Now()}
	if k.id().RunsToEnd() {
		d.last = k
	}
	return d
}

// LastOf returns what an object was like when it was deleted, if it is of a kind that
// runs to an end and that is not long ago; nil otherwise.
func (l *Cache) LastOf(id manifest.ID) *unstructured.Unstructured {
	l.mu.Lock()
	last := l.gone.all[id].last
	l.mu.Unlock()
	if last == nil {
		return nil
	}
	u, err := last.object()
	if err != nil {
		return nil
	}
	u.SetDeletionTimestamp(nil) // that is over
	return u
}
