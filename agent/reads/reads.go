// Package reads is the content of the read API, and the client that asks for it.
//
// It does not know how environments are kept, and writes nothing: it reads ledgers, records and
// objects, as the command line does.
package reads

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"sync"
	"time"

	"k8s.io/client-go/rest"

	"github.com/xetys/tether/agent/api"
	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/agent/status"
	"github.com/xetys/tether/apply"
	"github.com/xetys/tether/apply/health"
	"github.com/xetys/tether/apply/kube"
	"github.com/xetys/tether/docs"
)

// Access says who may read the API.
type Access string

// Who may read the API: holders of tokens that RBAC lets read environments, everybody who
// reaches a loopback address, or nobody.
const (
	ByToken      Access = "token"
	FromLoopback Access = "loopback"
	ByNobody     Access = "none"
)

// readersAtOnce is how many requests to the API server are under way for readers.
const readersAtOnce = 8

// Reads is what is told of some environments.
type Reads struct {
	namespace string
	now       func() time.Time
	leads     func(environment string) bool
	reviews   *kube.Reviews
	all       *apply.Cluster // for what is of no environment
	clusters  map[string]*readable

	Git // what it says of objects
}

// readable is one environment, and its status as it was last read: many may ask, and a
// thousand releases take a while.
type readable struct {
	cluster *apply.Cluster
	changes changes
	turn    chan struct{} // is taken by who reads the status

	mu   sync.Mutex
	last *status.Status
	read time.Time
}

// cached returns the status as it was last read, and when; nil if it never was.
func (one *readable) cached() (*status.Status, time.Time) {
	one.mu.Lock()
	defer one.mu.Unlock()
	return one.last, one.read
}

// store takes a status that was read, and tells those who look if it is another one.
func (one *readable) store(st *status.Status, at time.Time) {
	one.mu.Lock()
	news := one.last == nil || !alike(*one.last, *st)
	one.last, one.read = st, at
	one.mu.Unlock()
	if news {
		one.changes.broadcast()
	}
}

// alike reports whether two statuses say the same, but for what passes by itself.
func alike(a, b status.Status) bool {
	for _, s := range []*status.Status{&a, &b} {
		s.SecondsBehind, s.Agent.Renewed = 0, time.Time{}
	}
	return reflect.DeepEqual(a, b)
}

// statusFor is how old a status may be that is given to the next who asks.
const statusFor = 2 * time.Second

// New returns what is told of environments whose ledgers are in a namespace; leads says
// which of them this process leads, and accounts as whom they are read. It has clients and a
// pace of its own: readers take nothing of the agent's turns.
func New(config *rest.Config, namespace string, environments []string, accounts kube.Accounts, leads func(string) bool, now func() time.Time) (*Reads, error) {
	r := &Reads{namespace: namespace, now: now, leads: leads, clusters: map[string]*readable{}}
	r.reads = r
	pace := kube.NewPace(readersAtOnce, nil)
	var err error
	if r.reviews, err = kube.NewReviews(config); err != nil {
		return nil, err
	}
	if r.all, err = apply.Connect(config, "", apply.Options{Pace: pace}); err != nil {
		return nil, err
	}
	for _, name := range environments {
		c, err := apply.Connect(config, name, apply.Options{Account: accounts.Of(name), Pace: pace})
		if err != nil {
			return nil, fmt.Errorf("environment %s: %w", name, err)
		}
		r.clusters[name] = &readable{cluster: c, turn: make(chan struct{}, 1)}
	}
	return r, nil
}

// Handler answers below /api/v1/.
func (r *Reads) Handler(gate api.Gate, log *slog.Logger) http.Handler {
	return (&api.API{Reader: r, Gate: gate, OpenAPI: docs.OpenAPI, Log: log}).Handler()
}

// Gate returns who lets readers through, for all that is told.
func (r *Reads) Gate(who Access) api.Gate {
	if who == FromLoopback {
		return api.Loopback{}
	}
	return api.NewTokens(r.may, r.now)
}

// JudgeBy sets the rules by which the agent judges the health of an environment's objects.
func (r *Reads) JudgeBy(environment string, rules *health.Rules) {
	if one := r.clusters[environment]; one != nil {
		one.cluster.Judge.SetRules(rules)
	}
}

// may says whether a token's holder may read an environment.
func (r *Reads) may(ctx context.Context, token, environment string) (name string, allowed bool, err error) {
	who, err := r.reviews.WhoIs(ctx, token)
	if err != nil || who == nil {
		return "", false, err
	}
	allowed, err = r.reviews.MayRead(ctx, who, r.namespace, environment)
	return who.Name, allowed, err
}

func (r *Reads) of(environment string) (*readable, error) {
	if one := r.clusters[environment]; one != nil {
		return one, nil
	}
	return nil, api.Missing(fmt.Errorf("this agent does not keep an environment %s", environment))
}

func (r *Reads) ledger(ctx context.Context, environment string) (*ledger.Ledger, *apply.Cluster, error) {
	one, err := r.of(environment)
	if err != nil {
		return nil, nil, err
	}
	l, err := ledger.Read(ctx, one.cluster, r.namespace)
	return l, one.cluster, missing(err)
}

// missing tells that nothing was kept yet from what can't be read.
func missing(err error) error {
	var none *ledger.ErrNoLedger
	if errors.As(err, &none) {
		return api.Missing(err)
	}
	return err
}

// Environments implements api.Reader.
func (r *Reads) Environments(ctx context.Context) ([]any, error) {
	all, err := r.Summaries(ctx)
	return anyOf(all), err
}

// Status implements api.Reader.
func (r *Reads) Status(ctx context.Context, environment string) (any, error) {
	return r.statusOf(ctx, environment)
}

func (r *Reads) statusOf(ctx context.Context, environment string) (*status.Status, error) {
	one, err := r.of(environment)
	if err != nil {
		return nil, err
	}
	select {
	case one.turn <- struct{}{}:
		defer func() { <-one.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if last, read := one.cached(); last != nil && r.now().Sub(read) < statusFor {
		return last, nil
	}
	st, err := status.Read(ctx, one.cluster, r.namespace, r.now())
	if err != nil {
		return nil, missing(err)
	}
	if len(st.HealthRules) > 0 && !r.leads(environment) {
		st.RulesUnread = "the environment's own rules on health are not asked: this replica of the agent does not lead it"
	}
	one.store(st, r.now())
	return st, nil
}

// Releases implements api.Reader.
func (r *Reads) Releases(ctx context.Context, environment string) ([]any, error) {
	st, err := r.statusOf(ctx, environment)
	if err != nil {
		return nil, err
	}
	return anyOf(st.Releases), nil
}

// DriftOf is a drifted field, and whose it is.
type DriftOf struct {
	Release   string `json:"release"`
	Namespace string `json:"namespace"`
	status.Drift
}

// Drift implements api.Reader.
func (r *Reads) Drift(ctx context.Context, environment string) ([]any, error) {
	l, _, err := r.ledger(ctx, environment)
	if err != nil {
		return nil, err
	}
	var out []any
	for _, rel := range l.Releases {
		for _, d := range rel.Drift {
			out = append(out, DriftOf{rel.Name, rel.Namespace, status.ShownDrift(d)})
		}
	}
	return out, nil
}

// HistoryItem is a line of a history: a commit, or what was done without one.
type HistoryItem struct {
	// Kind is commit, or what was done.
	Kind string `json:"kind"`
	*ledger.Entry
	Act *ledger.Act `json:"act,omitempty"`
}

// History implements api.Reader.
func (r *Reads) History(ctx context.Context, environment string, since time.Time) ([]any, error) {
	story, err := r.HistoryItems(ctx, environment, since)
	return anyOf(story), err
}

// Delivery implements api.Reader.
func (r *Reads) Delivery(ctx context.Context, environment string, since time.Time) (any, error) {
	if since.IsZero() {
		since = r.now().AddDate(0, 0, -DeliveryDays)
	}
	return r.Delivered(ctx, environment, since)
}

// Commit implements api.Reader.
func (r *Reads) Commit(ctx context.Context, environment, commit string) (any, error) {
	l, _, err := r.ledger(ctx, environment)
	if err != nil {
		return nil, err
	}
	e := l.Decides(commit)
	if e == nil {
		return nil, api.Missing(fmt.Errorf("%.7s has not been seen in %s yet", commit, environment))
	}
	return e.Public(), nil
}

// Revisions implements api.Reader.
func (r *Reads) Revisions(ctx context.Context, environment, release string) ([]any, error) {
	l, c, err := r.ledger(ctx, environment)
	if err != nil {
		return nil, err
	}
	if err := l.Known(release); err != nil {
		return nil, api.Missing(err)
	}
	all, err := status.ReadRevisions(ctx, c, r.namespace, release)
	return anyOf(all), err
}

// Difference implements api.Reader.
func (r *Reads) Difference(ctx context.Context, environment, release string, from, to int) (any, error) {
	return r.Compare(ctx, environment, release, from, to)
}

// Follow implements api.Reader.
func (r *Reads) Follow(ctx context.Context, environment string, tell func(any)) error {
	one, err := r.of(environment)
	if err != nil {
		return err
	}
	return ledger.Follow(ctx, one.cluster, r.namespace, func(e *ledger.Entry) {
		if e != nil {
			tell(e.Public())
		}
	})
}

func anyOf[T any](all []T) []any {
	out := make([]any, 0, len(all))
	for _, v := range all {
		out = append(out, v)
	}
	return out
}
