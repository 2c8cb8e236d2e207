package kube

import (
	"context"
	"fmt"
	"time"

	"github.com/xetys/tether/apply/realm"
)

// Connection is what may be done with an API server by who applies nothing: what it can do,
// the Lease, the namespaces, what charts and values read, and the documents of one
// environment. The clients that can write any object are not reached by it. It is safe for
// concurrent use.
type Connection struct {
	*Discovery
	*Documents
	client *Client
}

// NewConnection returns the connection of an environment by a client.
func NewConnection(client *Client, environment string) *Connection {
	return &Connection{Discovery: client.Discovery, Documents: NewDocuments(client, environment), client: client}
}

// Close ends all watches.
func (c *Connection) Close() { c.client.Close() }

// Ping reports whether the API server answers, and as what version.
func (c *Connection) Ping(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	raw, err := c.client.own.typed.Discovery().RESTClient().Get().AbsPath("/version").Do(ctx).Raw()
	if err != nil {
		return "", fmt.Errorf("reach the API server %s: %w", c.client.host, err)
	}
	return string(raw), nil
}

// Fence has every write of this connection asked for permission first: while check returns an
// error, none is sent. Leases, and what anybody may write, are not asked about.
func (c *Connection) Fence(check func() error) { c.client.fence.check.Store(&check) }

// Bound says what the environment may touch from now on.
func (c *Connection) Bound(r realm.Realm) { c.client.boundary.bounds.Store(&r) }

// bounds is what the environment may touch.
func (c *Connection) bounds() realm.Realm {
	if r := c.client.boundary.bounds.Load(); r != nil {
		return *r
	}
	return realm.Realm{}
}
