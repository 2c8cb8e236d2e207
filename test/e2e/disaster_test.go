package e2e_test

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xetys/tether/test/cluster"
)

// A healthy cluster is thrown away, and an empty one is brought back by the sequence of
// docs/runbooks/disaster.md: from git, one key, and the Secrets that people make. The data
// itself is not here: no pod runs on this control plane. That the restore's own scripts
// bring data back is shown on a real PostgreSQL, in charts.
func TestAClusterComesBackFromGit(t *testing.T) {
	t.Parallel()
	first := disasterRepository(t, cluster.Start(t))
	head := first.commit("All that is declared")
	first.safe()
	first.bringBack(head)
	declared := first.declared(head)
	if len(declared) < 25 {
		t.Fatalf("%d objects are declared, which is too few to prove anything:\n%s", len(declared), strings.Join(declared, "\n"))
	}

	second := *first
	second.cluster = cluster.Start(t) // the first one plays no part in what follows
	began := time.Now()
	second.safe()
	second.write("environments/production/restore.yaml", "postgresql:\n  restore:\n    from: latest\n    existingClaim: dumps\n")
	second.replace("environments/production/environment.yaml", "[xuangong-backend.yaml]", "[xuangong-backend.yaml, restore.yaml]")
	head = second.commit("Restore the database")
	second.kubectl("create", "--filename", filepath.Join(second.dir, "dumps.yaml"))
	second.bringBack(head)
	took := time.Since(began).Round(100 * time.Millisecond)
	have := second.declared(head)
	if restored := slices.DeleteFunc(slices.Clone(have), func(s string) bool { return !strings.Contains(s, "-restore-") }); len(restored) != 1 {
		t.Errorf("the restore's Job is not among what was brought back:\n%s", strings.Join(have, "\n"))
	}
	for _, object := range declared {
		if !slices.Contains(have, object) {
			t.Errorf("%s is missing after the recovery", object)
		}
	}
	t.Logf("RTO, the agent's part: %s from an empty cluster to %d objects of three environments, all healthy", took, len(have))
	if most := 3 * time.Minute; took > most {
		t.Errorf("the recovery took %s, and should take at most %s", took, most)
	}
	second.afterAccidents()
}

// afterAccidents has what was brought back go through the smaller of the document's scenarios:
// something is deleted by accident, and a deployment is bad.
func (d *disaster) afterAccidents() {
	d.t.Helper()
	w := *d.world
	w.cluster = d.cluster
	agent := w.agentOf(strings.Join(environmentsOfDisaster, ","), "accidents", "--sops-secret", "sops", "--allow-cluster-kinds", "system=*", "--reach", "127.0.0.0/8")
	began := time.Now()
	d.kubectl("delete", "deployment/xuangong-backend", "service/xuangong-backend", "statefulset/xuangong-prod-postgresql", "ingress/xuangong-backend", "--namespace", "xuangong-prod")
	helm, err := cluster.Binary("helm")
	if err != nil {
		d.t.Fatal(err)
	}
	if _, err := d.output(helm, "uninstall", "xuangong-app", "--namespace", "xuangong-prod", "--kubeconfig", d.cluster.Kubeconfig); err != nil {
		d.t.Fatal(err)
	}
	d.nothingDiffers()
	d.eventually(func() error {
		s, err := w.statusOf("production")
		for _, r := range s.Releases {
			if !r.Healthy {
				return fmt.Errorf("%s is not healthy", r.Name)
			}
		}
		return err
	})
	d.t.Logf("scenario 3: four objects that were deleted and a release that was uninstalled were back, healthy, after %s", time.Since(began).Round(100*time.Millisecond))

	good := d.kubectl("get", "deployment", "xuangong-app", "--namespace", "xuangong-prod", "--output", imageOf)
	d.replace("environments/production/environment.yaml", "(-(alpha|beta)[0-9]+)?'", "(-(alpha|beta|imagepullbackoff)[0-9]*)?'") // the word that has the image missing
	d.replace("environments/production/xuangong-app.yaml", strings.TrimSpace(good[strings.LastIndex(good, ":")+1:]), "v2025.9.0-imagepullbackoff")
	w.awaitIn("production", d.commit("A bad deployment"), "rolled-back")
	if have := d.kubectl("get", "deployment", "xuangong-app", "--namespace", "xuangong-prod", "--output", imageOf); have != good {
		d.t.Errorf("after the bad deployment %s runs, and %s did before", have, good)
	}
	d.git("-C", d.work, "revert", "--no-edit", "HEAD")
	d.commit("As it was")
	d.nothingDiffers()
	agent.kill()
}

const imageOf = "jsonpath={.spec.template.spec.containers[0].image}"

// disaster is the tenant's repository, and the cluster that it is brought back to.
type disaster struct {
	*world
	cluster *cluster.Cluster
}

// environmentsOfDisaster are brought back together: system has the kinds that the tenant's
// monitoring is of, demo the values that only the key opens.
var environmentsOfDisaster = []string{"system", "production", "demo"}

func disasterRepository(t *testing.T, c *cluster.Cluster) *disaster {
	t.Helper()
	w := newWorldOn(t, "tether", c)
	w.patience = 5 * time.Minute
	root, err := cluster.Root()
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"charts/xuangong-backend", "charts/xuangong-app", "charts/postgresql", "environments/production", "environments/development", "environments/demo"} {
		if err := os.CopyFS(filepath.Join(w.work, dir), os.DirFS(filepath.Join(root, dir))); err != nil {
			t.Fatal(err)
		}
	}
	d := &disaster{world: w, cluster: c}
	d.answers("https://app.xuangong-prod.stytex.cloud/", "https://xuangong-prod.stytex.cloud/api/v1/health")
	d.write("charts/kinds/Chart.yaml", "apiVersion: v2\nname: kinds\nversion: 1.0.0\n")
	d.write("charts/kinds/crds/kinds.yaml", kindOfMonitoring("PrometheusRule")+kindOfMonitoring("ServiceMonitor"))
	d.write("environments/system/environment.yaml", `apiVersion: tether.stytex.cloud/v1
kind: Environment
metadata: {name: system}
spec:
  namespace: xuangong-system
  releases:
    - {name: kinds, chart: charts/kinds}
`)
	if err := os.WriteFile(filepath.Join(d.dir, "dumps.yaml"), []byte(claimOfDumps), 0o600); err != nil {
		t.Fatal(err)
	}
	return d
}

// kindOfMonitoring is a kind of the Prometheus operator, which the tenant's charts look for.
func kindOfMonitoring(kind string) string {
	return strings.NewReplacer("KIND", kind, "PLURAL", strings.ToLower(kind)+"s", "SINGULAR", strings.ToLower(kind)).Replace(`---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: PLURAL.monitoring.coreos.com}
spec:
  group: monitoring.coreos.com
  scope: Namespaced
  names: {kind: KIND, plural: PLURAL, singular: SINGULAR, listKind: KINDList}
  versions:
    - name: v1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
`)
}

const claimOfDumps = `apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: dumps, namespace: xuangong-prod}
spec:
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 1Gi}}
`

// answers serves what the environment's checks ask for at the given addresses, which lead
// to the ingress of a real cluster.
func (d *disaster) answers(page, health string) {
	listener, err := net.Listen("tcp", ":0")
	if err != nil {
		d.t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/v1/health" {
			_, _ = w.Write([]byte(`{"status": "healthy"}`)) // who asks sees whether it arrived
			return
		}
		_, _ = w.Write([]byte("https://xuangong-prod.stytex.cloud"))
	}))
	server.Listener.Close()
	server.Listener = listener
	server.Start()
	d.t.Cleanup(server.Close)
	at := "http://" + strings.Replace(listener.Addr().String(), "[::]", "127.0.0.1", 1)
	d.replace("environments/production/environment.yaml", page, at+"/")
	d.replace("environments/production/environment.yaml", health, at+"/api/v1/health")
}

// replace replaces text of a file of the repository, which must be there.
func (d *disaster) replace(path, from, to string) {
	d.t.Helper()
	path = filepath.Join(d.work, path)
	raw, err := os.ReadFile(path)
	if err != nil {
		d.t.Fatal(err)
	}
	if !bytes.Contains(raw, []byte(from)) {
		d.t.Fatalf("%s has no %q", path, from)
	}
	if err := os.WriteFile(path, bytes.Replace(raw, []byte(from), []byte(to), 1), 0o600); err != nil {
		d.t.Fatal(err)
	}
}

func (d *disaster) kubectl(args ...string) string {
	d.t.Helper()
	return d.cluster.Kubectl(d.t, args...)
}

// safe makes what is not in git: the agent's namespace, the key, the Secrets of people.
func (d *disaster) safe() {
	d.t.Helper()
	d.kubectl("create", "namespace", "tether-system")
	d.kubectl("create", "secret", "generic", "sops", "--namespace", "tether-system", "--from-file", "age.agekey="+filepath.Join(d.work, "environments/demo/throw-away.agekey"))
	d.kubectl("create", "namespace", "xuangong-prod")
	for _, name := range []string{"xuangong-backend", "regcred"} {
		d.kubectl("create", "secret", "generic", name, "--namespace", "xuangong-prod", "--from-literal", "made-by=people")
	}
}

// bringBack runs the agent on the cluster until the head is applied everywhere: for system
// alone first, as charts ask what kinds the cluster has.
func (d *disaster) bringBack(head string) {
	d.t.Helper()
	w := *d.world
	w.cluster = d.cluster
	run := func(environments []string) *process {
		agent := w.agentOf(strings.Join(environments, ","), "data-"+head[:7], "--sops-secret", "sops",
			"--allow-cluster-kinds", "system=*", "--reach", "127.0.0.0/8")
		for _, environment := range environments {
			w.awaitIn(environment, head, "applied")
		}
		return agent
	}
	run(environmentsOfDisaster[:1]).kill()
	agent := run(environmentsOfDisaster)
	d.nothingDiffers()
	agent.kill()
}

// nothingDiffers asks the cluster for each environment whether all is as declared.
func (d *disaster) nothingDiffers() {
	d.t.Helper()
	for _, environment := range environmentsOfDisaster {
		d.eventually(func() error {
			_, err := d.output(d.tether, "diff", environment, "--live", "--repo", d.work, "--kubeconfig", d.cluster.Kubeconfig, "--namespace", "tether-system",
				"--sops-secret", "sops", "--reach", "127.0.0.0/8")
			return err
		})
	}
}

// declared returns the objects of all releases' records, as kubectl finds them in the
// cluster: one that is missing ends the test.
func (d *disaster) declared(head string) []string {
	d.t.Helper()
	var all []string
	for release, namespace := range map[string]string{"kinds": "xuangong-system", "xuangong-backend": "xuangong-prod", "xuangong-app": "xuangong-prod"} {
		all = append(all, d.objects(head, release, namespace)...)
	}
	all = append(all, d.objects(head, "xuangong-backend", "xuangong-demo")...)
	all = append(all, d.objects(head, "xuangong-app", "xuangong-demo")...)
	slices.Sort(all)
	return all
}

func (d *disaster) objects(head, release, namespace string) []string {
	d.t.Helper()
	helm, err := cluster.Binary("helm")
	if err != nil {
		d.t.Fatal(err)
	}
	manifest, err := d.output(helm, "get", "manifest", release, "--namespace", namespace, "--kubeconfig", d.cluster.Kubeconfig)
	if err != nil {
		d.t.Fatal(err)
	}
	path := filepath.Join(d.dir, head[:7]+"-"+namespace+"-"+release+".yaml")
	if err := os.WriteFile(path, manifest, 0o600); err != nil {
		d.t.Fatal(err)
	}
	if len(bytes.TrimSpace(manifest)) == 0 {
		return nil // it is of CRDs alone
	}
	var names []string
	for _, name := range strings.Fields(d.kubectl("get", "--filename", path, "--output", "name")) {
		names = append(names, namespace+" "+name)
	}
	return names
}

// output runs a command and returns what it printed; its error holds the rest.
func (d *disaster) output(name string, args ...string) ([]byte, error) {
	var stderr bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w\n%s%s", cmd, err, out, stderr.Bytes())
	}
	return out, nil
}
