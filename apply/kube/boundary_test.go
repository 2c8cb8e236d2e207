package kube

import (
	"errors"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/xetys/tether/apply/realm"
)

func TestTheWallReadsEveryPath(t *testing.T) {
	w := &boundary{kindOf: func(gvr schema.GroupVersionResource) (schema.GroupVersionKind, error) {
		if gvr.Resource == "clusterroles" {
			return gvr.GroupVersion().WithKind("ClusterRole"), nil
		}
		return schema.GroupVersionKind{}, errors.New("nobody knows it")
	}}
	bounds := realm.Limits{Home: "system", ClusterKinds: realm.Grants{"a": {"ClusterRole"}}}.For("a", realm.Facts{Namespaces: []string{"mine"}})
	for _, c := range []struct{ path, why string }{
		{"/api/v1/namespaces/mine/configmaps/x", ""},
		{"/api/v1/namespaces/mine/configmaps", ""},
		{"/apis/apps/v1/namespaces/mine/deployments/x/scale", ""},
		{"/api/v1/namespaces/theirs/configmaps/x", "namespace theirs"},
		{"/apis/apps/v1/namespaces/theirs/deployments/x", "namespace theirs"},
		{"/api/v1/namespaces/system/secrets/x", "namespace system is an agent's own"},
		{"/api/v1/namespaces/mine", ""},
		{"/api/v1/namespaces/mine/status", ""},
		{"/api/v1/namespaces/theirs", "namespace theirs"},
		{"/api/v1/namespaces/theirs/finalize", "namespace theirs"},
		{"/apis/rbac.authorization.k8s.io/v1/clusterroles/x", ""},
		{"/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/x", "clusterrolebindings is cluster-wide"},
		{"/apis/example.com/v1/widgets/x", "widgets is cluster-wide"},
		{"/k8s/clusters/c-1/api/v1/namespaces/mine/pods/x", ""},
		{"/k8s/clusters/c-1/api/v1/namespaces/theirs/pods/x", "namespace theirs"},
		{"/version", "no object of a release has the path"},
	} {
		if why := w.why(bounds, c.path); (why == "") != (c.why == "") || !strings.Contains(why, c.why) {
			t.Errorf("%s: %q, want %q", c.path, why, c.why)
		}
	}
}
