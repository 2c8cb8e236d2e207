package assess

import (
	"context"
	"io/fs"
	"maps"
	"slices"

	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/apply/apierror"
	"github.com/xetys/tether/apply/realm"
	"github.com/xetys/tether/render/config"
)

// bound finds out what the environment may touch at a commit, has the cluster held to that,
// and refuses what environment.yaml asks for beyond it. An error says that the cluster could
// not be asked.
func (a *Reader) bound(ctx context.Context, l *Commit) error {
	facts, err := a.facts(ctx, l)
	if err != nil {
		return err
	}
	l.realm = a.limits().For(a.Environment, facts)
	a.Cluster.Bound(l.realm)
	if l.Err == nil && !l.Gone {
		l.Err = l.Env.Within(l.realm)
	}
	return nil
}

// facts are what the commit and the cluster say about whose the namespaces are.
func (a *Reader) facts(ctx context.Context, l *Commit) (realm.Facts, error) {
	f := realm.Facts{Alone: a.alone(l.files), Others: map[string]realm.Holder{}}
	var err error
	if f.Homes, err = a.Homes.Find(ctx, a.Cluster, a.Now()); err != nil {
		return f, err
	}
	own := ownNamespaces(a.Ledger)
	var named []string
	if l.Env != nil { // else it could not be read
		named = namespacesOf(l.Env.Environment)
	}
	if len(a.Limits.Namespaces.Of(a.Environment)) == 0 && slices.ContainsFunc(named, func(ns string) bool { return !own[ns] }) {
		if f.Others, err = a.othersNamespaces(ctx, l, f.Homes); err != nil {
			return f, err
		}
	}
	f.Namespaces = slices.Sorted(maps.Keys(own))
	for _, ns := range named {
		if _, taken := f.Others[ns]; !taken && !own[ns] {
			f.Namespaces = append(f.Namespaces, ns)
		}
	}
	return f, nil
}

// ownNamespaces are the namespaces that an environment has, as its ledger says.
func ownNamespaces(l *ledger.Ledger) map[string]bool {
	out := map[string]bool{l.Namespace: true}
	for _, r := range l.Releases {
		out[r.Namespace] = true
	}
	delete(out, "")
	return out
}

// alone reports whether the repository has no other environment, and the agent keeps none.
// A head that is not trusted does not count: the last good commit does.
func (a *Reader) alone(files fs.FS) bool {
	if files == nil && a.Ledger.Applied != nil {
		if last, err := a.Files(a.Ledger.Applied.Commit); err == nil {
			files = last
		}
	}
	if files == nil {
		return false
	}
	folders, err := config.Environments(files)
	return err == nil && len(folders) <= 1 && a.Environments <= 1
}

// namespacesOf lists the namespaces that an environment names; what can be read of it.
func namespacesOf(env *config.Environment) []string {
	if env == nil {
		return nil
	}
	out := []string{env.Namespace}
	for _, r := range env.Releases {
		out = append(out, r.Namespace)
	}
	slices.Sort(out)
	return slices.DeleteFunc(slices.Compact(out), func(ns string) bool { return ns == "" })
}

// othersNamespaces says which other environment had a namespace before this commit, by the
// namespace: those of this agent, and those of the agents in other homes.
func (a *Reader) othersNamespaces(ctx context.Context, l *Commit, homes []string) (map[string]realm.Holder, error) {
	ledgers, err := ledger.List(ctx, a.Cluster, a.Home)
	if err != nil {
		return nil, err
	}
	out, tenants := map[string]realm.Holder{}, ownNamespaces(a.Ledger)
	for _, other := range ledgers {
		maps.Copy(tenants, ownNamespaces(other))
		if other.Environment != a.Environment && a.before(other, l) {
			a.enterNamespaces(out, l, other)
		}
	}
	for _, home := range homes {
		if home == a.Home || tenants[home] { // where an environment has its objects, its people may write a ledger
			continue
		}
		ledgers, err := ledger.List(ctx, a.Cluster, home)
		if apierror.Forbidden(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, other := range ledgers {
			same := other.Environment == a.Environment && other.Repository == a.Ledger.Repository // its agent has moved
			if same || !a.before(other, l) {
				continue
			}
			for ns := range ownNamespaces(other) {
				if _, taken := out[ns]; !taken {
					out[ns] = realm.Holder{Environment: other.Environment, Home: home}
				}
			}
		}
	}
	return out, nil
}

// before reports whether an environment began before this commit. Environments that begin
// with the same commit may share a namespace.
func (a *Reader) before(other *ledger.Ledger, l *Commit) bool {
	return len(other.Entries) > 0 && other.Began != l.SHA
}

// enterNamespaces enters the namespaces of another environment of this agent. What the
// commit's tree says of one that follows the same ref counts: it may give one up.
func (a *Reader) enterNamespaces(out map[string]realm.Holder, l *Commit, other *ledger.Ledger) {
	kept := func(string) bool { return true }
	if l.files != nil && a.sameRef(other.Environment) {
		env, err := config.Load(l.files, other.Environment)
		if err == nil || !config.Exists(l.files, other.Environment) {
			kept = func(ns string) bool { return slices.Contains(namespacesOf(env), ns) } // none, if its folder is gone
		}
	}
	for ns := range ownNamespaces(other) {
		if kept(ns) {
			out[ns] = realm.Holder{Environment: other.Environment}
		}
	}
}

// asPerson are the limits of a preview: what the agent allows is not known to who asks, who
// has rights of his own. The agent's namespace stays out of reach, but for what is there.
func asPerson(l *ledger.Ledger, home string) realm.Limits {
	all := realm.Grants{"": {"*"}}
	out := realm.Limits{Namespaces: all, ClusterKinds: all, LookupSecrets: all, Own: realm.Grants{}}
	for _, r := range l.Releases {
		if r.Namespace == home {
			out.Own[""] = append(out.Own[""], r.Name)
		}
	}
	return out
}
