package realm_test

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/xetys/tether/apply/realm"
	"github.com/xetys/tether/render/manifest"
)

const home = "tether-system"

// limits has environment bounded with namespaces of its own choice, and agent with the
// agent itself; alpha has what it names.
var limits = realm.Limits{
	Home:          home,
	Namespaces:    realm.Grants{"bounded": {"team-*"}, "cluster": {"kube-*"}},
	ClusterKinds:  realm.Grants{"bounded": {"ClusterRole.rbac.authorization.k8s.io", "PriorityClass"}},
	LookupSecrets: realm.Grants{"bounded": {"shared", "vault/pull-*"}},
	Own:           realm.Grants{"agent": {"tether"}},
}

var facts = realm.Facts{Namespaces: []string{"alpha"}, Others: map[string]realm.Holder{"beta": {Environment: "beta"}, "gamma": {Environment: "gamma", Home: "other-agent"}}, Homes: []string{"other-agent"}}

func object(apiVersion, kind, namespace, name string) manifest.Object {
	u := &unstructured.Unstructured{}
	u.SetAPIVersion(apiVersion)
	u.SetKind(kind)
	u.SetNamespace(namespace)
	u.SetName(name)
	return manifest.Object{Unstructured: u}
}

func TestWhatAReleaseMayWrite(t *testing.T) {
	labelled := object("v1", "ConfigMap", "alpha", "x")
	labelled.SetLabels(map[string]string{"tether.stytex.cloud/ledger": "beta"})
	alone, greedy := facts, facts
	greedy.Namespaces = []string{"alpha", "*", "kube-system"}
	alone.Alone = true
	for _, c := range []struct {
		name, environment string
		facts             realm.Facts
		release           realm.Release
		object            manifest.Object
		why               string // part of the reason; nothing if it may
	}{
		{"its own namespace", "alpha", facts, realm.Release{}, object("v1", "ConfigMap", "alpha", "x"), ""},
		{"another environment's", "alpha", facts, realm.Release{}, object("v1", "ConfigMap", "beta", "x"), "namespace beta is environment beta's: use another one"},
		{"an environment's of another agent", "alpha", facts, realm.Release{}, object("v1", "ConfigMap", "gamma", "x"), "namespace gamma is environment gamma's, which the agent in namespace other-agent keeps: use another one"},
		{"one that is nobody's", "alpha", facts, realm.Release{}, object("v1", "ConfigMap", "vault", "x"), "namespace vault is none of environment alpha's: have the agent allow it with --allow-namespaces alpha=vault"},
		{"what it names is no pattern", "alpha", greedy, realm.Release{}, object("v1", "ConfigMap", "beta", "x"), "namespace beta is environment beta's"},
		{"Kubernetes' own, though it names it", "alpha", greedy, realm.Release{}, object("v1", "ConfigMap", "kube-system", "x"), "namespace kube-system is Kubernetes' own, and no environment's by its name alone: have the agent allow it with --allow-namespaces alpha=kube-system"},
		{"Kubernetes' own, allowed", "cluster", greedy, realm.Release{}, object("v1", "ConfigMap", "kube-system", "x"), ""},
		{"the agent's", "alpha", facts, realm.Release{}, object("v1", "ConfigMap", home, "x"), "namespace tether-system is an agent's own"},
		{"another agent's", "alpha", facts, realm.Release{}, object("v1", "Secret", "other-agent", "x"), "namespace other-agent is an agent's own"},
		{"the agent's, alone", "alpha", alone, realm.Release{}, object("v1", "ConfigMap", home, "x"), "namespace tether-system is an agent's own"},
		{"any, alone", "alpha", alone, realm.Release{}, object("v1", "ConfigMap", "kube-system", "x"), ""},
		{"a cluster-wide kind", "alpha", facts, realm.Release{}, object("rbac.authorization.k8s.io/v1", "ClusterRole", "", "x"), "--allow-cluster-kinds alpha=ClusterRole.rbac.authorization.k8s.io"},
		{"a cluster-wide kind, alone", "alpha", alone, realm.Release{}, object("rbac.authorization.k8s.io/v1", "ClusterRole", "", "x"), ""},
		{"a cluster-wide kind that is allowed", "bounded", facts, realm.Release{}, object("rbac.authorization.k8s.io/v1", "ClusterRole", "", "x"), ""},
		{"one that is allowed by its kind", "bounded", facts, realm.Release{}, object("scheduling.k8s.io/v1", "PriorityClass", "", "x"), ""},
		{"one that is not", "bounded", facts, realm.Release{}, object("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "", "x"), "a ClusterRoleBinding is cluster-wide"},
		{"a namespace that is allowed", "bounded", facts, realm.Release{}, object("v1", "ConfigMap", "team-a", "x"), ""},
		{"one that it only names", "bounded", facts, realm.Release{}, object("v1", "ConfigMap", "alpha", "x"), "namespace alpha is none of environment bounded's"},
		{"bounds count alone, too", "bounded", alone, realm.Release{}, object("v1", "ConfigMap", "alpha", "x"), "namespace alpha is none of environment bounded's"},
		{"its own namespace, as an object", "alpha", facts, realm.Release{}, object("v1", "Namespace", "", "alpha"), ""},
		{"another's, as an object", "alpha", facts, realm.Release{}, object("v1", "Namespace", "", "beta"), "namespace beta is environment beta's"},
		{"the agent's, as an object", "alpha", alone, realm.Release{}, object("v1", "Namespace", "", home), "namespace tether-system is an agent's own"},
		{"a Lease of an agent, anywhere", "alpha", alone, realm.Release{}, object("coordination.k8s.io/v1", "Lease", "x", "tether-beta"), "Leases named tether-"},
		{"a Lease of others", "alpha", alone, realm.Release{}, object("coordination.k8s.io/v1", "Lease", "x", "operator"), ""},
		{"a control, anywhere", "alpha", alone, realm.Release{}, object("v1", "ConfigMap", "x", "tether.control.beta"), "tether.control."},
		{"a ledger, by its label", "alpha", alone, realm.Release{}, labelled, "the label tether.stytex.cloud/ledger"},
		{"the agent's own release", "agent", facts, realm.Release{Namespace: home, Name: "tether"}, object("apps/v1", "Deployment", home, "tether"), ""},
		{"cluster-wide kinds of it", "agent", facts, realm.Release{Namespace: home, Name: "tether"}, object("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "", "tether"), ""},
		{"its Secrets", "agent", facts, realm.Release{Namespace: home, Name: "tether"}, object("v1", "Secret", home, "sops"), "Secrets of namespace tether-system configure the agent"},
		{"its Leases", "agent", facts, realm.Release{Namespace: home, Name: "tether"}, object("coordination.k8s.io/v1", "Lease", home, "tether-beta"), "Leases named tether-"},
		{"another release beside it", "agent", facts, realm.Release{Namespace: home, Name: "web"}, object("apps/v1", "Deployment", home, "web"), "namespace tether-system is an agent's own"},
		{"a release of its name elsewhere", "agent", facts, realm.Release{Namespace: "alpha", Name: "tether"}, object("apps/v1", "Deployment", home, "web"), "namespace tether-system is an agent's own"},
		{"one of its name, of another environment", "alpha", facts, realm.Release{Namespace: home, Name: "tether"}, object("apps/v1", "Deployment", home, "web"), "namespace tether-system is an agent's own"},
	} {
		got := limits.For(c.environment, c.facts).Object(c.release, c.object)
		if (got == "") != (c.why == "") || !strings.Contains(got, c.why) {
			t.Errorf("%s: %q, want %q", c.name, got, c.why)
		}
	}
}

func TestWhatTemplatesMayLookUp(t *testing.T) {
	secret, configMap := schema.GroupKind{Kind: "Secret"}, schema.GroupKind{Kind: "ConfigMap"}
	for _, c := range []struct {
		name, environment string
		kind              schema.GroupKind
		namespace, object string
		may               bool
	}{
		{"a Secret of its own namespace", "alpha", secret, "alpha", "x", true},
		{"a Secret of another's", "alpha", secret, "beta", "x", false},
		{"a ConfigMap of another's", "alpha", configMap, "beta", "x", true},
		{"a Secret of Kubernetes' own namespaces", "alpha", secret, "kube-system", "x", false},
		{"a Secret of the agent's namespace", "alpha", secret, home, "x", false},
		{"a ConfigMap of the agent's namespace", "alpha", configMap, home, "x", false},
		{"a Secret of another agent's", "bounded", secret, "other-agent", "x", false},
		{"a Secret of a namespace that is allowed", "bounded", secret, "shared", "x", true},
		{"all of them", "bounded", secret, "shared", "", true},
		{"a Secret that is allowed by name", "bounded", secret, "vault", "pull-x", true},
		{"one beside it", "bounded", secret, "vault", "root", false},
		{"all beside it", "bounded", secret, "vault", "", false},
		{"what lives in no namespace", "alpha", schema.GroupKind{Kind: "Node"}, "", "x", true},
	} {
		if why := limits.For(c.environment, facts).Sees(c.kind, c.namespace, c.object); (why == "") != c.may {
			t.Errorf("%s: %q", c.name, why)
		}
	}
}

func TestGrants(t *testing.T) {
	g, err := realm.ParseGrants([]string{"a=x,y-* b=z", "*=all"})
	if err != nil || strings.Join(g.Of("a"), " ") != "all x y-*" || strings.Join(g.Of("c"), " ") != "all" {
		t.Errorf("%v, %v", g, err)
	}
	for _, text := range []string{"a=", "a=x,,y", "a=[", "="} {
		if _, err := realm.ParseGrants([]string{text}); err == nil {
			t.Errorf("%q is read", text)
		}
	}
	if g, err := realm.ParseGrants(nil); err != nil || g.Of("a") != nil {
		t.Errorf("nothing says %v, %v", g.Of("a"), err)
	}
}

func TestWhatAReleaseMayReferTo(t *testing.T) {
	for _, c := range []struct {
		name, environment, kind, namespace string
		release                            realm.Release
		may                                bool
	}{
		{"a Secret of its own namespace", "alpha", "Secret", "alpha", realm.Release{}, true},
		{"a ConfigMap of its own namespace", "alpha", "ConfigMap", "alpha", realm.Release{}, true},
		{"a Secret of another environment's", "alpha", "Secret", "beta", realm.Release{}, false},
		{"a Secret of nobody's", "alpha", "Secret", "vault", realm.Release{}, false},
		{"a Secret that templates may look up", "bounded", "Secret", "shared", realm.Release{}, false},
		{"a key", "alpha", "Secret", home, realm.Release{}, false},
		{"another agent's key", "alpha", "Secret", "other-agent", realm.Release{}, false},
		{"a key, by the release that is the agent", "agent", "Secret", home, realm.Release{Namespace: home, Name: "tether"}, false},
		{"a ConfigMap beside it, by that release", "agent", "ConfigMap", home, realm.Release{Namespace: home, Name: "tether"}, true},
	} {
		ref := manifest.Reference{Kind: c.kind, Namespace: c.namespace, Name: "x"}
		if why := limits.For(c.environment, facts).Refers(c.release, ref); (why == "") != c.may {
			t.Errorf("%s: %q", c.name, why)
		}
	}
}
