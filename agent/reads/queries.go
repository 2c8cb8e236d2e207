package reads

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/xetys/tether/agent/api"
	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/agent/status"
)

// EnvironmentNames returns the names of the environments that are told of in full, in order.
func (r *Reads) EnvironmentNames() []string {
	out := make([]string, 0, len(r.clusters))
	for name := range r.clusters {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// Summaries returns a line for each environment of the agent's namespace.
func (r *Reads) Summaries(ctx context.Context) ([]status.Summary, error) {
	return status.ReadAll(ctx, r.all, r.namespace, r.now())
}

// LastKnown returns what runs in an environment, at once: as it was last read whole, and when,
// while it is read anew; or, while it was never read, as the ledger knows it, at no time:
// there are no images and no commits of releases in it then. Who wants to hear when it is
// whole asks Changes.
func (r *Reads) LastKnown(ctx context.Context, environment string) (st *status.Status, read time.Time, err error) {
	one, err := r.of(environment)
	if err != nil {
		return nil, read, err
	}
	done := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readFor)
		defer cancel()
		_, err := r.statusOf(ctx, environment)
		done <- err
	}()
	select {
	case err = <-done:
	case <-time.After(soon):
	}
	if err != nil {
		return nil, read, err
	}
	if st, read = one.cached(); st != nil {
		return st, read, nil
	}
	st, err = status.Known(ctx, one.cluster, r.namespace, r.now())
	return st, read, missing(err)
}

// Soon waits so long for a status that is read; a status that nobody waits for is given up
// after readFor.
const (
	soon    = 100 * time.Millisecond
	readFor = time.Minute
)

// HistoryItems returns what became of an environment, newest first: its commits, and what was done
// without one.
func (r *Reads) HistoryItems(ctx context.Context, environment string, since time.Time) ([]HistoryItem, error) {
	l, c, err := r.ledger(ctx, environment)
	if err != nil {
		return nil, err
	}
	control, err := ledger.ReadControl(ctx, c, r.namespace)
	if err != nil {
		return nil, err
	}
	var out []HistoryItem
	for _, m := range l.History(control, since, 0) {
		if m.Act != nil {
			out = append(out, HistoryItem{Kind: m.Act.Kind, Act: m.Act})
		} else {
			out = append(out, HistoryItem{Kind: "commit", Entry: m.Entry})
		}
	}
	return out, nil
}

// DeliveryDays is over how many days an environment's metrics are, if nobody says.
const DeliveryDays = 30

// Delivery are the metrics of an environment, and what became of each day's deployments.
type Delivery struct {
	ledger.Delivery
	// Days are the days from Since to Until, the oldest first.
	Days []Day `json:"days"`
}

// Day is how many deployments ended on a day, which begins at midnight in UTC.
type Day struct {
	Date        string `json:"date"`
	Deployments int    `json:"deployments"`
	Failed      int    `json:"failed"`
}

// maxDays bounds how far back Delivery tells days: the ledger holds 200 commits.
const maxDays = 366

// Delivered returns the metrics of an environment since then.
func (r *Reads) Delivered(ctx context.Context, environment string, since time.Time) (*Delivery, error) {
	l, _, err := r.ledger(ctx, environment)
	if err != nil {
		return nil, err
	}
	now := r.now().UTC()
	if oldest := now.AddDate(0, 0, -maxDays); since.Before(oldest) {
		since = oldest
	}
	d := &Delivery{Delivery: ledger.Deliver(environment, l.Entries, since, now), Days: []Day{}}
	for day := since.UTC().Truncate(24 * time.Hour); day.Before(now); day = day.AddDate(0, 0, 1) {
		one := ledger.Deliver(environment, l.Entries, day, day.AddDate(0, 0, 1).Add(-1))
		d.Days = append(d.Days, Day{Date: day.Format(time.DateOnly), Deployments: one.Deployments, Failed: one.Failed})
	}
	return d, nil
}

// Compare returns how two records of a release differ.
func (r *Reads) Compare(ctx context.Context, environment, release string, from, to int) (*Difference, error) {
	l, c, err := r.ledger(ctx, environment)
	if err != nil {
		return nil, err
	}
	if err := l.Known(release); err != nil {
		return nil, api.Missing(err)
	}
	return readDifference(ctx, c, l, r.namespace, release, from, to)
}

// Key returns a key for a purpose, the same one for all replicas of the agent, once one of
// them has led an environment.
func (r *Reads) Key(ctx context.Context, purpose string) ([]byte, error) {
	key, err := r.all.DeriveKey(ctx, r.namespace, purpose)
	if err != nil {
		return nil, fmt.Errorf("a key for %s: %w", purpose, err)
	}
	return key, nil
}
