package rollout

import (
	"context"
)

// ensureNamespace makes a release's namespace exist, with the environment's
// labels if it is the environment's own.
func (x *recorder) ensureNamespace(ctx context.Context, namespace string) error {
	labels := map[string]string{}
	if x.Commit.Env != nil && x.Commit.Env.Namespace == namespace {
		labels = x.Commit.Env.NamespaceLabels
	}
	return x.namespaces.once(namespace, func() error { return x.cluster.EnsureNamespace(ctx, namespace, labels) })
}
