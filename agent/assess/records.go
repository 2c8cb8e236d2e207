package assess

import (
	"context"

	"github.com/xetys/tether/agent/observed"
	"github.com/xetys/tether/apply/apierror"
	"github.com/xetys/tether/render/manifest"
)

// readHistories reads the records of all namespaces that the environment has
// to do with, each once, until somebody else writes one there. While a commit is carried
// out, what is known stays: its rollouts go by that, and what others wrote is read then.
func (a *Assessor) readHistories(ctx context.Context, l *Commit) error {
	if err := seal(ctx, a); err != nil {
		return err
	}
	namespaces := map[string]bool{}
	for _, t := range l.targets {
		namespaces[t.spec.Namespace] = true
	}
	for _, r := range a.Ledger.Releases {
		namespaces[r.Namespace] = true
	}
	for ns := range namespaces {
		if a.Observed.Histories.Known(ns) || a.Observed.Histories.IsWatched(ns) && a.UnderWay {
			continue
		}
		a.watchRecords(ctx, ns)
		a.Observed.Histories.Begin(ns)
		found, err := a.Cluster.Records.List(ctx, ns)
		if err != nil {
			a.Observed.Histories.Unread(ns)
			return err
		}
		a.Observed.Histories.Replace(ns, found)
		for name, h := range found {
			a.Listener.Damaged(ctx, name, h)
		}
		if err := a.findUnrecorded(ctx, l, ns); err != nil {
			a.Observed.Histories.Unread(ns)
			return err
		}
	}
	return nil
}

// seal has records sealed, and told by their seals. An agent that may not have the key goes
// by what records say.
func seal(ctx context.Context, a *Assessor) error {
	if a.Observed.Histories.Sealed {
		return nil
	}
	err := a.Cluster.Seal(ctx, a.Home)
	if apierror.Forbidden(err) {
		a.Listener.Warn("records are not sealed: who may write Secrets beside a release can forge them; give the agent get and create of secrets in its own namespace", "error", err)
		err = nil
	}
	a.Observed.Histories.Sealed = err == nil
	return err
}

// findUnrecorded finds what is there of releases whose records were deleted, or can't be read:
// what is to be done once only, before their first objects, is done, and what of them is no
// longer wanted is to go.
func (a *Assessor) findUnrecorded(ctx context.Context, l *Commit, namespace string) error {
	unknown := map[observed.Key]bool{}
	consider := func(key observed.Key) {
		if key.Namespace == namespace && observed.LacksRecord(a.Observed.Histories.History(key)) {
			unknown[key] = true
		}
	}
	for _, t := range l.targets {
		consider(observed.Key{Namespace: t.spec.Namespace, Name: t.spec.Name})
	}
	for _, r := range a.Ledger.Releases {
		consider(observed.Key{Namespace: r.Namespace, Name: r.Name})
	}
	found := map[observed.Key][]manifest.Object{}
	defer func() { a.Observed.Histories.SetUnrecorded(namespace, found) }()
	if len(unknown) == 0 {
		return nil
	}
	objects, err := a.Cluster.Inspector.Inventory(ctx, namespace)
	for key := range unknown {
		if of := objects[key.Name]; len(of) > 0 {
			found[key] = of
		}
	}
	return err
}

// watchRecords has a namespace's records read again when somebody else writes or deletes
// one.
func (a *Assessor) watchRecords(ctx context.Context, namespace string) {
	if a.Observed.Histories.Watch(namespace) {
		return
	}
	err := a.Cluster.Records.Watch(ctx, namespace, func() {
		a.Observed.Histories.Unread(namespace)
		a.Listener.Wake()
	}, func(err error) {
		a.Listener.Warn("what others write of releases shows at the next full scan only", "error", err)
	})
	if err != nil {
		a.Listener.Warn("records can't be watched", "error", err)
	}
}
