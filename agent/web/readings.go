package web

import (
	"net/netip"
	"slices"
	"sync"
)

// maxReadings is how many webhooks' bodies are read at once.
const maxReadings = 32

// readings are the bodies that are being read of webhooks whose senders have not
// proved anything yet. One more is always begun: it takes the place of the one that
// has taken longest, of the sender that has the most. A push that is sent at once is
// read in milliseconds, however many slow ones there are.
type readings struct {
	mu   sync.Mutex
	open []*reading // the oldest first
}

type reading struct {
	sender netip.Prefix
	stop   func() // is called before the reading has ended
}

// begin begins a reading; end is to be called when it has ended, and reports whether
// it was stopped.
func (r *readings) begin(address string, stop func()) (end func() (stopped bool)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.open) >= maxReadings {
		r.evict()
	}
	one := &reading{senderOf(address), stop}
	r.open = append(r.open, one)
	return func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		i := slices.Index(r.open, one)
		if i >= 0 {
			r.open = slices.Delete(r.open, i, i+1)
		}
		return i < 0
	}
}

func (r *readings) evict() {
	count := map[netip.Prefix]int{}
	most := 0
	for _, one := range r.open {
		count[one.sender]++
		most = max(most, count[one.sender])
	}
	i := slices.IndexFunc(r.open, func(one *reading) bool { return count[one.sender] == most })
	r.open[i].stop()
	r.open = slices.Delete(r.open, i, i+1)
}
