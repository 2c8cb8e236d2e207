package live

import (
	"github.com/xetys/tether/render/manifest"
)

// subscriptions are the channels of who waits for objects, by object.
type subscriptions map[manifest.ID]map[chan struct{}]struct{}

func (s subscriptions) add(ids []manifest.ID, ch chan struct{}) {
	for _, id := range ids {
		if s[id] == nil {
			s[id] = map[chan struct{}]struct{}{}
		}
		s[id][ch] = struct{}{}
	}
}

func (s subscriptions) remove(ids []manifest.ID, ch chan struct{}) {
	for _, id := range ids {
		delete(s[id], ch)
		if len(s[id]) == 0 {
			delete(s, id)
		}
	}
}

// wake tells who waits for an object.
func (s subscriptions) wake(id manifest.ID) {
	for ch := range s[id] {
		Signal(ch)
	}
}

// Signal leaves a token in a channel, if there is none yet.
func Signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
