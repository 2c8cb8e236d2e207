package reads

import (
	"context"
	"sync"

	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/apply"
	"github.com/xetys/tether/apply/kube"
)

// changes tells those who look at an environment that there is something new. The ledger and
// what people asked for are watched while somebody looks, once however many do.
type changes struct {
	mu    sync.Mutex
	heard map[chan<- struct{}]bool
	stop  context.CancelFunc
}

// Changes calls tell whenever there may be something new of some environments, until ctx
// ends. tell is called from one goroutine.
func (r *Reads) Changes(ctx context.Context, environments []string, tell func()) error {
	heard := make(chan struct{}, 1)
	for _, name := range environments {
		one, err := r.of(name)
		if err != nil {
			return err
		}
		leave, err := one.changes.join(ctx, one.cluster, r.namespace, heard)
		if err != nil {
			return err
		}
		defer leave()
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-heard:
			tell()
		}
	}
}

// join has one more told, and watches for the first one.
func (c *changes) join(ctx context.Context, cluster *apply.Cluster, namespace string, heard chan<- struct{}) (leave func(), err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.heard) == 0 {
		watch, stop := context.WithCancel(context.WithoutCancel(ctx))
		for _, d := range [...]kube.Document{ledger.Document(cluster.Environment, namespace), ledger.ControlDocument(cluster.Environment, namespace)} {
			if err := cluster.WatchDocument(watch, d, func(string) { c.broadcast() }); err != nil {
				stop()
				return nil, err
			}
		}
		c.heard, c.stop = map[chan<- struct{}]bool{}, stop
	}
	c.heard[heard] = true
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.heard, heard)
		if len(c.heard) == 0 {
			c.stop()
		}
	}, nil
}

// broadcast wakes all who look.
func (c *changes) broadcast() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for heard := range c.heard {
		select {
		case heard <- struct{}{}:
		default: // it is about to look
		}
	}
}
