package kube

import (
	"context"
	"fmt"
	"time"

	"github.com/xetys/tether/apply/realm"
)

// Connection is what code that applies no objects may do with an API server: discovery, the
// Lease, namespaces, reads for charts and values, and the documents of one environment. It
// gives no access to the clients that can write any object. It is safe for concurrent use.
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

// Fence makes every write of this connection call check first, and fail with its error without
// being sent. Leases, and what any replica may write, are not checked.
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
