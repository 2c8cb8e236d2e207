package web

import (
	"cmp"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

// The bounds of the HTTP server. Nothing that is of use here takes long, and whoever
// holds connections without use is not to keep others out.
const (
	maxConnections = 128
	minConnections = 8
	maxHeaders     = 16 << 10
	headerTimeout  = 5 * time.Second  // for a request's headers
	requestTimeout = 15 * time.Second // for all of a request
	answerTimeout  = time.Minute      // for the answer; profiles extend it themselves
	idleTimeout    = 30 * time.Second // for the next request on a connection
)

// connectionsFor is how many connections the HTTP server may have open: a quarter
// of the descriptors at the most, so that fetches, watches and workers have theirs.
func connectionsFor(descriptors uint64) int {
	return max(minConnections, int(min(descriptors/4, maxConnections)))
}

// descriptors is how many files this process may have open.
func descriptors() uint64 {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return 4 * maxConnections
	}
	return l.Cur
}

// connections is a listener with so many connections open at the most. The next one
// is taken all the same: one of the sender that has the most makes room for it. So
// who holds every place keeps out himself, and no probe.
type connections struct {
	net.Listener
	max int

	mu   sync.Mutex
	open map[net.Conn]*connection
}

// connection is one that is open, and since when it has been in its state.
type connection struct {
	sender netip.Prefix
	state  http.ConnState
	since  time.Time
}

func newConnections(l net.Listener, limit int) *connections {
	return &connections{Listener: l, max: limit, open: map[net.Conn]*connection{}}
}

// Accept implements net.Listener.
func (c *connections) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.open) >= c.max {
		c.evict()
	}
	out := &tracked{Conn: conn, in: c}
	c.open[out] = &connection{sender: senderOf(conn.RemoteAddr().String()), state: http.StateNew, since: time.Now()}
	return out, nil
}

// changed is the server's ConnState hook.
func (c *connections) changed(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if known := c.open[conn]; known != nil {
		known.state, known.since = state, time.Now()
	}
}

// evict closes a connection of the sender that has the most: one that waits for its
// next request, else one that has sent none, else the one that has been longest at it.
func (c *connections) evict() {
	count := map[netip.Prefix]int{}
	for _, known := range c.open {
		count[known.sender]++
	}
	var victim net.Conn
	for conn, known := range c.open {
		if victim == nil || before(known, c.open[victim], count) {
			victim = conn
		}
	}
	if victim != nil {
		delete(c.open, victim)
		_ = victim.(*tracked).Conn.Close() // its handler notices
	}
}

// before reports whether a makes room before b does.
func before(a, b *connection, count map[netip.Prefix]int) bool {
	rank := map[http.ConnState]int{http.StateIdle: 0, http.StateNew: 1}
	of := func(k *connection) int {
		if r, ok := rank[k.state]; ok {
			return r
		}
		return len(rank)
	}
	return cmp.Or(cmp.Compare(count[b.sender], count[a.sender]), cmp.Compare(of(a), of(b)), a.since.Compare(b.since)) < 0
}

// tracked is a connection that is counted until it is closed.
type tracked struct {
	net.Conn
	in *connections
}

// Close implements net.Conn.
func (t *tracked) Close() error {
	t.in.mu.Lock()
	delete(t.in.open, t)
	t.in.mu.Unlock()
	return t.Conn.Close()
}

// senderOf is who an address counts as: the address itself, and of IPv6 its network,
// since one machine has all of that.
func senderOf(address string) netip.Prefix {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return netip.Prefix{}
	}
	ip, bits := at.Addr().Unmap().WithZone(""), 64
	if ip.Is4() {
		bits = 32
	}
	out, _ := ip.Prefix(bits) // the bits fit
	return out
}
