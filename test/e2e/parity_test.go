package e2e_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xetys/tether/test/cluster"
)

// What helm install and helm upgrade leave in a cluster, the agent leaves: the
// manifest, hooks and notes that helm get shows, and the live objects.
func TestTheAgentInstallsWhatHelmInstalls(t *testing.T) {
	t.Parallel()
	const release = "sink"
	w, repo := newWorld(t, "kitchen-tether"), kitchen(t)
	rename(t, repo, "kitchen.example.com", "live.kitchen.example.com") // the kind of other tests is theirs
	for _, dir := range []string{"charts", "environments"} {
		if err := os.CopyFS(filepath.Join(w.work, "kitchen", dir), os.DirFS(filepath.Join(repo, dir))); err != nil {
			t.Fatal(err)
		}
	}
	const values = "[/kitchen/environments/all/sink.yaml, /kitchen/environments/all/more.yaml, /kitchen/environments/all/last.yaml]"
	w.environment("{name: sink, chart: kitchen/charts/sink, values: " + values + "}")
	// What is null in an object is stored by helm install, and taken away by helm
	// upgrade: Tether does as the first.
	for _, c := range []struct{ verb, values string }{{"install", "{}"}, {"upgrade", "{greeting: bye, lent: {size: 8, nothing: again}, byoff: {enabled: true}, byfirst: {first: false}}"}} {
		w.write("kitchen/environments/all/last.yaml", c.values)
		args := slices.Concat([]string{c.verb, release, built(t, repo, "sink"), "--namespace", "kitchen-helm", "--kubeconfig", w.cluster.Kubeconfig},
			kitchenValues(repo), []string{"--values", filepath.Join(w.work, "kitchen/environments/all/last.yaml")})
		if c.verb == "install" {
			args = append(args, "--create-namespace")
		}
		command(t, "helm", args...)
		head := w.commit(c.verb)
		agent := w.agent("data")
		w.await(head, "applied")
		agent.kill()
		for _, what := range []string{"manifest", "hooks", "notes", "values"} {
			get := func(namespace string) string {
				text := command(t, "helm", "get", what, release, "--namespace", namespace, "--kubeconfig", w.cluster.Kubeconfig)
				return strings.ReplaceAll(text, namespace, "NAMESPACE")
			}
			if diff := cmp.Diff(documents(released(get("kitchen-helm"))), documents(get("kitchen-tether"))); diff != "" {
				t.Errorf("after the %s, helm get %s: -helm +tether:\n%s", c.verb, what, diff)
			}
		}
		if diff := cmp.Diff(liveObjects(t, w.cluster, "kitchen-helm"), liveObjects(t, w.cluster, "kitchen-tether")); diff != "" {
			t.Errorf("after the %s, what is live: -helm +tether:\n%s", c.verb, diff)
		}
	}
}

// rename puts one text in another's place in all charts of a repository.
func rename(t *testing.T, repo, from, to string) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(repo, "charts"), func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() || filepath.Ext(path) != ".yaml" {
			return err
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(path, []byte(strings.ReplaceAll(string(raw), from, to)), 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// documents splits a manifest, and puts its documents in an order.
func documents(text string) []string {
	var out []string
	for d := range strings.SplitSeq(text, "---\n") {
		if d = strings.TrimSpace(d); d != "" {
			out = append(out, d)
		}
	}
	slices.Sort(out)
	return out
}

// liveObjects returns what a release of the kitchen's sink left in a namespace and
// beside it, without what differs from one object to the next in any case.
func liveObjects(t *testing.T, c *cluster.Cluster, namespace string) map[string]any {
	t.Helper()
	out := map[string]any{}
	for _, query := range [][]string{
		{"configmaps,secrets,services,serviceaccounts,roles,widgets.live.kitchen.example.com", "--namespace", namespace},
		{"configmaps", "--namespace", namespace + "-more"},
		{"clusterrole/" + namespace + "-cluster", "namespace/" + namespace + "-more"},
	} {
		var list struct{ Items []map[string]any }
		text := c.Kubectl(t, slices.Concat([]string{"get", "--output", "json"}, query)...)
		if err := json.Unmarshal([]byte(strings.ReplaceAll(released(text), namespace, "NAMESPACE")), &list); err != nil {
			t.Fatal(err)
		}
		for _, o := range list.Items {
			meta, _ := o["metadata"].(map[string]any)
			name, _ := meta["name"].(string)
			if strings.HasPrefix(name, "sh.helm.") || name == "kube-root-ca.crt" || name == "default" {
				continue
			}
			delete(o, "status")
			for _, field := range []string{"uid", "resourceVersion", "creationTimestamp", "managedFields", "generation"} {
				delete(meta, field)
			}
			for _, field := range []string{"labels", "annotations"} { // Tether marks hooks as well
				marks, _ := meta[field].(map[string]any)
				maps.DeleteFunc(marks, func(k string, _ any) bool {
					return strings.HasPrefix(k, "tether.stytex.cloud/") || k == "app.kubernetes.io/managed-by" || strings.HasPrefix(k, "meta.helm.sh/")
				})
				if len(marks) == 0 {
					delete(meta, field)
				}
			}
			if spec, ok := o["spec"].(map[string]any); ok {
				delete(spec, "clusterIP")
				delete(spec, "clusterIPs")
			}
			kind, _ := o["kind"].(string)
			out[kind+"/"+name] = o
		}
	}
	return out
}
