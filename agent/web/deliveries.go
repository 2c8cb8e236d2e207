package web

import (
	"crypto/sha256"
	"slices"
	"sync"
)

// maxDeliveries is how many deliveries are remembered; the oldest is forgotten first.
const maxDeliveries = 4096

// deliveries are the webhooks that were taken, by what tells each from all others: a
// copy that somebody sends again is no news.
type deliveries struct {
	mu    sync.Mutex
	known map[[sha256.Size]byte]bool
	order [][sha256.Size]byte
}

// first reports whether none of these names was seen before, and remembers them.
func (d *deliveries) first(names ...string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	var sums [][sha256.Size]byte
	for _, name := range names {
		sums = append(sums, sha256.Sum256([]byte(name)))
	}
	if slices.ContainsFunc(sums, func(sum [sha256.Size]byte) bool { return d.known[sum] }) {
		return false
	}
	if d.known == nil {
		d.known = map[[sha256.Size]byte]bool{}
	}
	for _, sum := range sums {
		d.known[sum], d.order = true, append(d.order, sum)
	}
	for len(d.order) > maxDeliveries {
		delete(d.known, d.order[0])
		d.order = slices.Delete(d.order, 0, 1)
	}
	return true
}
