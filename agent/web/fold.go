package web

import (
	"context"
	"sync"
	"time"
)

// fold has something done soon after it was asked for, and no more often than its
// pause allows: what is asked for meanwhile is done once. The last one who asks is
// always followed by a run that begins later.
type fold struct {
	pause time.Duration
	run   func(ctx context.Context, who string)

	mu      sync.Mutex
	asked   string // who asked last; empty if nobody did
	running bool
}

// ask has it done for somebody; it does not wait for that. What is not done when ctx
// ends is forgotten.
func (f *fold) ask(ctx context.Context, who string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = who
	if !f.running {
		f.running = true
		go f.loop(ctx)
	}
}

func (f *fold) loop(ctx context.Context) {
	for {
		who, ok := f.next()
		if !ok {
			return
		}
		f.run(ctx, who)
		select {
		case <-ctx.Done():
			return
		case <-time.After(f.pause):
		}
	}
}

// next returns who asked last, and takes that as answered.
func (f *fold) next() (who string, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	who, f.asked = f.asked, ""
	f.running = who != ""
	return who, f.running
}
