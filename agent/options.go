package agent

import (
	"time"

	"github.com/xetys/tether/agent/assess"
	"github.com/xetys/tether/agent/notify"
	"github.com/xetys/tether/agent/reads"
	"github.com/xetys/tether/apply/health"
	"github.com/xetys/tether/apply/kube"
	"github.com/xetys/tether/apply/realm"
	"github.com/xetys/tether/render"
	"github.com/xetys/tether/render/blame"
	"github.com/xetys/tether/source"
	"github.com/xetys/tether/source/outbound"
)

// Options configure an Agent.
type Options struct {
	// Environments are the names of the environments to keep.
	Environments []string
	// Namespace is where ledgers, leases and events are kept.
	Namespace string
	// Identity names this replica in leases. A process that is restarted may
	// have the same one only if the former process is certainly gone.
	Identity string
	// Interval is how often the repository is polled, give or take a tenth.
	Interval time.Duration
	// Repository is the URL to show in the ledger, without credentials.
	Repository string
	// Refs are what the environments follow, by their names.
	Refs map[string]source.Ref
	// WebhookSecretFile holds the secret that senders of webhooks have to know; no
	// webhook is taken if it is empty.
	WebhookSecretFile string
	// FullScan, if set, returns when the whole environment is to be surveyed anew.
	FullScan func(now time.Time) time.Time
	// HistoryMax is how many records a release keeps, 10 if zero.
	HistoryMax int
	// Concurrency is how many requests to the API server are under way at once at
	// the most, kube.DefaultConcurrency if zero.
	Concurrency int
	// Profiling has Serve answer /debug/pprof, which shows what the process does and
	// holds in memory: for who may see that.
	Profiling bool
	// NoContainerLogs leaves the logs of containers that failed unread.
	NoContainerLogs bool
	// Keys say where the keys for SOPS files are.
	Keys assess.Keys
	// Reach says what the addresses of checks may lead to.
	Reach outbound.Rule
	// Limits say what environments may touch of the cluster; the agent's namespace is known.
	Limits realm.Limits
	// Accounts are the service accounts as which environments are read and written.
	Accounts kube.Accounts
	// Render is what rendering is given from outside.
	Render render.Config
	// History keeps what commits render to for readers; nil keeps nothing.
	History *blame.Cache
	// Health are rules on objects' health, for all environments.
	Health *health.Rules
	// UnhealthyAfter is how long a release has to be unhealthy, or healthy again, after its
	// rollout until that is told; four times as long if it is only in progress.
	// DefaultUnhealthyAfter if zero.
	UnhealthyAfter time.Duration
	// API says who may read /api/v1; there is none if it is empty.
	API reads.Access
	// Notify says who is told what becomes of environments; nil for nobody.
	Notify *notify.Config
	// Promote has promotions carried out that environments declare: the source takes commits.
	Promote bool
	// Now is the clock; time.Now if nil.
	Now func() time.Time
}

// DefaultUnhealthyAfter is how long a release is unhealthy until that is told, where
// Options do not say.
const DefaultUnhealthyAfter = 15 * time.Second
