package e2e_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/xetys/tether/test/cluster"
)

// TestAnEnvironmentIsCarriedOutAsItsAccount has an agent that may do nothing but act as an
// account, by the roles of its chart, and the account do what tether rbac prints: that suffices for all of a release's
// life, and a commit that asks for more is refused by the API server's own word.
func TestAnEnvironmentIsCarriedOutAsItsAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "account")
	system := w.name + "-system"
	w.write("charts/shop/Chart.yaml", "apiVersion: v2\nname: shop\nversion: 1.0.0\n")
	w.write("charts/shop/templates/all.yaml", shopObjects)
	w.environment("{name: shop, chart: charts/shop, valuesFrom: [{kind: ConfigMap, name: colours, optional: true}]}")
	w.commit("First")
	w.kubectl("apiVersion: v1\nkind: Namespace\nmetadata: {name: " + system + "}\n---\n" + w.chartOfTheAgent(system))
	w.kubectl(w.run("rbac", "prod", "--account", "deployer", "--repo", w.work))
	p := w.agentAs("tether", "--service-account", "prod=deployer")
	first := w.git("-C", w.work, "rev-parse", "HEAD")
	w.await(first, "applied")

	// Drift is put back, what leaves git is deleted, and a failure goes back.
	cm := w.cluster.Kube.CoreV1().ConfigMaps(w.name)
	if err := cm.Delete(t.Context(), "settings", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	w.eventually(func() error {
		_, err := cm.Get(t.Context(), "settings", metav1.GetOptions{})
		return err
	})
	w.write("charts/shop/templates/all.yaml", strings.ReplaceAll(shopObjects, "name: extra", "name: other"))
	w.await(w.commit("Second"), "applied")
	w.write("charts/shop/templates/all.yaml", strings.ReplaceAll(shopObjects, "image: example.com/web:v1", "image: example.com/web:v2-imagepullbackoff"))
	w.await(w.commit("Broken"), "rolled-back")

	// More than the account may do is refused before anything is written, with who may not what.
	w.write("charts/shop/templates/all.yaml", shopObjects+"---\napiVersion: v1\nkind: LimitRange\nmetadata: {name: more}\nspec: {limits: []}\n")
	refused := w.commit("More")
	w.await(refused, "refused")
	if err := w.verdict(refused, "refused", fmt.Sprintf(`User "system:serviceaccount:%s:deployer" cannot`, system)); err != nil {
		t.Error(err)
	}
	w.write("charts/shop/templates/all.yaml", shopObjects)
	w.await(w.commit("Mended"), "applied")
	if text := p.text(); strings.Contains(text, "orbidden") && strings.Count(text, "orbidden") > strings.Count(text, "LimitRange") {
		t.Errorf("something else than the LimitRange was forbidden:\n%s", text)
	}
	w.checkAccounts(system)
}

// checkAccounts holds what the agent asked of the API server to who it is for each thing.
func (w *world) checkAccounts(system string) {
	w.t.Helper()
	account, itself := "system:serviceaccount:"+system+":deployer", "system:serviceaccount:"+system+":tether"
	as := 0
	var wrong []string
	w.audit(func(e auditEvent) {
		if e.User.Username != itself {
			return
		}
		switch {
		case e.ImpersonatedUser.Username == account:
			if as++; e.ObjectRef.Namespace == system {
				wrong = append(wrong, "as the account, in the agent's namespace: "+e.Verb+" "+e.RequestURI)
			}
			if e.ResponseStatus.Code == 403 && !strings.Contains(e.RequestURI, "limitranges") {
				wrong = append(wrong, "the account may not: "+e.Verb+" "+e.RequestURI)
			}
		case e.ObjectRef.Namespace == system || e.ObjectRef.Name == system || e.ObjectRef.Resource == "":
		case e.ObjectRef.Resource == "configmaps" && e.Verb == "list": // where other agents are, if it may know
		case e.ObjectRef.Resource == "selfsubjectaccessreviews" || e.ObjectRef.Resource == "tokenreviews":
		default:
			wrong = append(wrong, "as the agent itself: "+e.Verb+" "+e.RequestURI)
		}
	})
	slices.Sort(wrong)
	if wrong = slices.Compact(wrong); as == 0 || len(wrong) > 0 {
		w.t.Errorf("%d requests as the account; and\n%s", as, strings.Join(wrong, "\n"))
	}
}

// chartOfTheAgent returns the account and the roles that the agent's chart gives it.
func (w *world) chartOfTheAgent(system string) string {
	w.t.Helper()
	helm, err := cluster.Binary("helm")
	if err != nil {
		w.t.Fatal(err)
	}
	out, err := exec.Command(helm, "template", "tether", "../../charts/tether", "--namespace", system, "--kube-version", "1.37.2", "--set", "repository.url=https://example.com/x,environments={prod},limits.serviceAccounts.prod=deployer",
		"--show-only", "templates/rbac.yaml", "--show-only", "templates/serviceaccount.yaml").CombinedOutput()
	if err != nil {
		w.t.Fatalf("helm template: %v\n%s", err, out)
	}
	return string(out)
}

// kubectl applies objects as an administrator.
func (w *world) kubectl(objects string) {
	w.t.Helper()
	cmd := exec.Command("kubectl", "--kubeconfig", w.cluster.Kubeconfig, "apply", "--server-side", "--filename", "-")
	cmd.Stdin = strings.NewReader(objects)
	if out, err := cmd.CombinedOutput(); err != nil {
		w.t.Fatalf("kubectl apply: %v\n%s", err, out)
	}
}

// agentAs starts an agent with nothing but the token of a service account of its namespace.
func (w *world) agentAs(account string, more ...string) *process {
	w.t.Helper()
	token, err := w.cluster.Kube.CoreV1().ServiceAccounts(w.name+"-system").CreateToken(w.t.Context(), account, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	config, err := clientcmd.LoadFromFile(w.cluster.Kubeconfig)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, user := range config.AuthInfos {
		user.Token, user.TokenFile, user.ClientCertificate, user.ClientCertificateData, user.ClientKey, user.ClientKeyData = token.Status.Token, "", "", nil, "", nil
	}
	path := filepath.Join(w.dir, account+".kubeconfig")
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		w.t.Fatal(err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		w.t.Fatal(err)
	}
	return w.agent("data", append(more, "--kubeconfig", path)...)
}

const shopObjects = `apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: {{ .Values.colour | default "red" | quote }}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: extra}
---
apiVersion: v1
kind: Secret
metadata: {name: key}
stringData: {key: not-so-secret}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: web}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: web}
rules:
  - {apiGroups: [""], resources: [endpoints], verbs: [get, watch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: web}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: web}
subjects: [{kind: ServiceAccount, name: web, namespace: {{ .Release.Namespace }}}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: web, image: example.com/web:v1}]
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      containers: [{name: db, image: example.com/db:v1}]
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec:
  maxReplicas: 3
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 80}}}]
---
apiVersion: batch/v1
kind: Job
metadata:
  name: migrate
  annotations: {"helm.sh/hook": "pre-install,pre-upgrade"}
spec:
  template:
    spec:
      restartPolicy: Never
      containers: [{name: migrate, image: example.com/migrate:v1}]
`
