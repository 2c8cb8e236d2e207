// Package apply is a cluster as an environment sees it: a Cluster is made of the packages below
// this one.
//
// It does not know git, charts or commits, does not decide when or whether to deploy, and
// writes neither logs nor metrics. Its packages are the only ones that write objects.
package apply

import (
	"cmp"
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"slices"
	"strings"
	"time"

	"k8s.io/client-go/rest"

	"github.com/xetys/tether/apply/execute"
	"github.com/xetys/tether/apply/former"
	"github.com/xetys/tether/apply/inspect"
	"github.com/xetys/tether/apply/judge"
	"github.com/xetys/tether/apply/kube"
	"github.com/xetys/tether/apply/live"
	"github.com/xetys/tether/apply/pods"
	"github.com/xetys/tether/apply/record"
	"github.com/xetys/tether/apply/ssa"
	"github.com/xetys/tether/apply/survey"
	"github.com/xetys/tether/apply/verify"
	"github.com/xetys/tether/apply/wait"
	"github.com/xetys/tether/render/manifest"
)

// Cluster is one environment's view of a Kubernetes cluster. It is safe for concurrent use.
type Cluster struct {
	*kube.Connection
	Environment string
	Records     *record.Store
	Live        *live.Cache
	Judge       *judge.Judge
	Inspector   *inspect.Inspector
	Surveyor    *survey.Surveyor
	Executor    *execute.Executor
	Hooks       *execute.Hooks
	Waiter      *wait.Waiter
	Verifier    *verify.Verifier
	Former      *former.Reader
}

// Options say how an environment uses its cluster. The zero value is for a command that reads
// once.
type Options struct {
	// Account is as whom what releases are made of is read and written.
	Account kube.Account
	// Changed is told of objects that changed, as live.Listeners says.
	Changed live.Changed
	// Pace is shared with other environments; without one a Cluster has its own.
	Pace *kube.Pace
}

// Connect returns a Cluster for one environment. It sends no request: a server that can't be
// reached is an error of the first use.
func Connect(config *rest.Config, environment string, o Options) (*Cluster, error) {
	client, err := kube.NewClient(config, o.Account, o.Pace)
	if err != nil {
		return nil, err
	}
	c := &Cluster{
		Connection: kube.NewConnection(client, environment), Environment: environment,
		Records: record.NewStore(client.Typed, client.Metadata, client.Turns.Acquire),
	}
	c.Live = live.New(client, environment, live.Listeners{Changed: o.Changed, Forgotten: func(gone []manifest.ID) { c.Judge.Forget(gone) }})
	c.Judge = judge.New(client, c.Live, environment)
	c.Inspector = inspect.New(client, c.Live, environment)
	c.Waiter = wait.New(c.Live, c.Judge, pods.NewWatcher(client))
	applier := ssa.New(client, c.Live)
	c.Surveyor = survey.New(client, c.Live, applier)
	c.Executor = execute.New(client, c.Live, c.Judge, applier, c.Surveyor)
	c.Hooks = execute.NewHooks(client, c.Live, c.Judge, applier, c.Surveyor, c.Waiter)
	c.Verifier = verify.New(client, c.Hooks)
	c.Former = former.New(client, c.Records)
	return c, nil
}

// Rediscover forgets what the API server can do; call it after CRDs changed.
func (c *Cluster) Rediscover() {
	c.Live.RetryAbsentKinds()
	c.Refresh()
}

// Unwatchable returns what can't be watched now, one error for each kind and namespace.
func (c *Cluster) Unwatchable() []*live.UnwatchableError {
	out := slices.Concat(c.Live.Unwatchable(), c.Surveyor.UnwatchableAutoscalers(time.Now()))
	slices.SortFunc(out, func(a, b *live.UnwatchableError) int {
		return cmp.Or(strings.Compare(a.Kind.String(), b.Kind.String()), strings.Compare(a.Namespace, b.Namespace))
	})
	return out
}

// DeriveKey returns a key of 32 bytes for a purpose, derived from the agent's own key: neither
// that nor the keys for other purposes can be computed from it. It is an error while no agent
// has led an environment of the namespace.
func (c *Cluster) DeriveKey(ctx context.Context, namespace, purpose string) ([]byte, error) {
	key, err := c.SealKey(ctx, namespace)
	if err != nil {
		return nil, err
	}
	return hkdf.Key(sha256.New, key, nil, purpose, sha256.Size)
}

// Seal makes the store seal the environment's records with the agent's key, which is created if
// there is none yet.
func (c *Cluster) Seal(ctx context.Context, namespace string) error {
	key, err := c.EnsureSealKey(ctx, namespace)
	if err == nil {
		c.Records.Seal(c.Environment, key)
	}
	return err
}

// KnowSeal makes the store check the seals of records, if the agent's key may be read; if not,
// records are believed without.
func (c *Cluster) KnowSeal(ctx context.Context, namespace string) {
	if key, err := c.SealKey(ctx, namespace); err == nil {
		c.Records.Seal(c.Environment, key)
	}
}
