package git

import (
	"time"

	"github.com/xetys/tether/source"
)

// Options say what to follow and where to keep it.
type Options struct {
	URL string
	// Refs are followed, each once.
	Refs []source.Ref
	// Dir is where the bare clone is kept; it belongs to one process at a time.
	Dir string
	// Auth, if set, returns the credentials. It is asked before each fetch: they
	// may change.
	Auth func() (Auth, error)
	// Trust, if set, returns the keys of which one has to have signed a head. It is
	// asked before each fetch.
	Trust func() (Trust, error)
	// Proxy is the URL of the proxy to the remote: http or https for https, socks5
	// for both https and ssh. The environment names it if this is empty.
	Proxy string
	// Committer, if set, has Push push commits in its name.
	Committer *Committer
	// Timeout bounds one fetch, and one push; five minutes if zero.
	Timeout time.Duration
	// Silence is for how long the server may send nothing in the middle of a fetch; 30
	// seconds if zero.
	Silence time.Duration
}
