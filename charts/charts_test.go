// Package charts_test holds the project's own charts to what they promise. It
// knows neither a cluster nor the agent: it runs Helm's own binary on a copy of
// the charts and of the environments' values.
package charts_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
)

var update = flag.Bool("update", false, "rewrite the goldens")

// kubeVersion is what the charts are rendered for, since they ask for it.
const kubeVersion = "1.37.2"

// workspace is a copy of charts/ and environments/ in which dependencies are built.
type workspace struct{ dir, helm string }

func newWorkspace(t *testing.T) workspace {
	t.Helper()
	helm, err := filepath.Abs("../bin/helm")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(helm); err != nil {
		t.Fatalf("%v: build it with make tools", err)
	}
	w := workspace{dir: t.TempDir(), helm: helm}
	for _, folder := range []string{"charts", "environments"} {
		if err := os.CopyFS(filepath.Join(w.dir, folder), os.DirFS(filepath.Join("..", folder))); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := w.run("dependency", "build", "charts/xuangong-backend"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return w
}

// run runs Helm where no configuration of this machine's reaches it, and returns
// its standard output, or with an error all it said.
func (w workspace) run(args ...string) (string, error) {
	cmd := exec.Command(w.helm, args...)
	cmd.Dir = w.dir
	home := filepath.Join(w.dir, "home")
	cmd.Env = []string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "KUBECONFIG=" + filepath.Join(home, "none")}
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	if err := cmd.Run(); err != nil {
		return out.String() + problems.String(), fmt.Errorf("helm %s: %w", strings.Join(args, " "), err)
	}
	return out.String(), nil
}

func TestChartsPassAStrictLint(t *testing.T) {
	w := newWorkspace(t)
	lints := map[string]installation{}
	for name, i := range all() {
		lints[name] = i
		lints["defaults of "+i.chart] = installation{chart: i.chart, namespace: "default"}
	}
	lints["defaults of postgresql"] = installation{chart: "postgresql", namespace: "default"}
	for name, i := range lints {
		t.Run(name, func(t *testing.T) {
			args := slices.DeleteFunc(i.args("lint", "--strict"), func(arg string) bool { return strings.HasPrefix(arg, apiVersions) }) // which lint does not know
			if out, err := w.run(args...); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

func TestChartsRenderToTheirGoldens(t *testing.T) {
	w := newWorkspace(t)
	for name, i := range all() {
		t.Run(name, func(t *testing.T) {
			got, err := w.run(i.template()...)
			if err != nil {
				t.Fatalf("%v\n%s", err, got)
			}
			golden := filepath.Join("testdata", name+".golden.yaml")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatalf("%v: write it with go test ./charts -update", err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("%s differs (-want +got); rewrite it with go test ./charts -update\n%s", golden, diff)
			}
		})
	}
}

// wrongValues are values that must not get through, with what Helm says.
var wrongValues = map[string]struct {
	in   installation
	says string
}{
	"an unknown key": {
		installation{"xuangong-backend", "x", []string{"--set", "replicas=3"}}, "replicas"},
	"an unknown key of the database": {
		installation{"xuangong-backend", "x", []string{"--set", "postgresql.primary.persistance.size=20Gi"}}, "persistance"},
	"a tag that YAML takes for a number": {
		installation{"xuangong-app", "x", []string{"--set", "image.tag=11"}}, "tag"},
	"a password in values": {
		installation{"xuangong-backend", "x", []string{"--set", "postgresql.auth.password=hunter2"}}, "password"},
	"an external database without a host": {
		installation{"xuangong-backend", "x", []string{"--set", "postgresql.enabled=false"}}, "database.host is missing"},
	"an application that is the superuser": {
		installation{"postgresql", "x", []string{"--set", "auth.username=postgres"}}, "username"},
	"a header that would end nginx' string": {
		installation{"xuangong-app", "x", []string{"--set-string", `nginx.securityHeaders.X-Test=a"b`}}, "X-Test"},
	"an agent without a repository":       {agentWith(), "repository.url is missing"},
	"an agent without an environment":     {installation{"tether", "x", []string{"--set", "repository.url=https://example.com/x"}}, "environments is missing"},
	"a password that is no part of a URL": {production["backend"].and("secrets.provider=values,secrets.databasePassword=a@b,secrets.jwtSecret=x"), "databasePassword"},
	"values without a password":           {production["backend"].and("secrets.provider=values"), "secrets.databasePassword is missing"},
	"a login without a password":          {production["app"].and("secrets.provider=values"), "secrets.registry.password is missing"},
	"a store without a name":              {database.and("secrets.provider=externalSecret"), "secretStoreRef.name is missing"},
	"a provider that is none":             {production["app"].and("secrets.provider=vault"), "provider"},
	"a dump in another folder":            {production["backend"].and("postgresql.restore.from=../x.dump"), "from"},
	"a bucket without a name":             {production["backend"].and("postgresql.backup.offsite.enabled=true"), "backup.offsite.bucket is missing"},
	"a moment that is none":               {production["backend"].and("postgresql.walArchive.restore.targetTime=yesterday"), "targetTime"},
	"a log without a bucket to go to":     {production["backend"].and("postgresql.walArchive.enabled=true,postgresql.walArchive.offsite.enabled=true"), "backup.offsite.bucket is missing"},
	"issuers without a mail address":      {installation{"issuers", "x", nil}, "email is missing"},
	"an alert that is none":               {agentWith("repository.url=https://example.com/x", "prometheusRule.disabled={Nothing}"), "disabled"},
	"an account of no environment":        {agentWith("repository.url=https://example.com/x", "limits.serviceAccounts.prod=x"), "limits.serviceAccounts names prod, which is none of environments"},
	"rights of an agent that needs none":  {agentWith("repository.url=https://example.com/x", "limits.serviceAccounts.production=x,limits.serviceAccounts.development=y", "rbac.clusterRole=cluster-admin"), "it needs none where every environment has an account"},
	"a repository with a password":        {agentWith("repository.url=https://me:hunter2@example.com/x"), "url"},
}

func TestWrongValuesAreRefused(t *testing.T) {
	w := newWorkspace(t)
	for name, c := range wrongValues {
		t.Run(name, func(t *testing.T) {
			out, err := w.run(c.in.template()...)
			if err == nil {
				t.Fatal("they were taken")
			}
			if !strings.Contains(out, c.says) {
				t.Errorf("no word of %q in:\n%s", c.says, out)
			}
		})
	}
}

// render returns the objects of an installation.
func (w workspace) render(t *testing.T, i installation) []unstructured.Unstructured {
	t.Helper()
	out, err := w.run(i.template()...)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var objects []unstructured.Unstructured
	for d := yaml.NewYAMLOrJSONDecoder(strings.NewReader(out), 4096); ; {
		var o unstructured.Unstructured
		if err := d.Decode(&o.Object); errors.Is(err, io.EOF) {
			return objects
		} else if err != nil {
			t.Fatal(err)
		}
		if len(o.Object) > 0 {
			objects = append(objects, o)
		}
	}
}

func TestNoSecretIsRendered(t *testing.T) {
	w := newWorkspace(t)
	for name, i := range installations {
		t.Run(name, func(t *testing.T) {
			for _, o := range w.render(t, i) {
				if o.GetKind() == "Secret" {
					t.Errorf("Secret %s is in the render: secrets are named, never written", o.GetName())
				}
				pod := podOf(t, o)
				if pod == nil {
					continue
				}
				for _, c := range append(pod.InitContainers, pod.Containers...) {
					for _, e := range c.Env {
						if strings.HasSuffix(e.Name, "PASSWORD") || strings.HasSuffix(e.Name, "SECRET") {
							if e.ValueFrom == nil || e.ValueFrom.SecretKeyRef == nil {
								t.Errorf("%s %s: variable %s is not from a Secret", o.GetKind(), o.GetName(), e.Name)
							}
						}
					}
				}
			}
		})
	}
}

func TestABumpOfATagChangesOneObject(t *testing.T) {
	w := newWorkspace(t)
	for name, want := range map[string][]string{
		"production-xuangong-backend": {"Deployment xuangong-backend"},
		"production-xuangong-app":     {"Deployment xuangong-app"},
	} {
		t.Run(name, func(t *testing.T) {
			before := w.render(t, installations[name])
			i := installations[name]
			i.values = append(append([]string{}, i.values...), "--set", "image.tag=v2025.1.0-alpha99")
			var changed []string
			for n, o := range w.render(t, i) {
				if !cmp.Equal(before[n].Object, o.Object) {
					changed = append(changed, o.GetKind()+" "+o.GetName())
				}
			}
			if diff := cmp.Diff(want, changed); diff != "" {
				t.Errorf("changed (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAChangeOfConfigurationRollsThePods(t *testing.T) {
	w := newWorkspace(t)
	for name, set := range map[string]string{
		"production-xuangong-backend": "config.cors.allowedOrigins={https://example.com}",
		"production-xuangong-app":     "nginx.securityHeaders.X-Frame-Options=SAMEORIGIN",
	} {
		t.Run(name, func(t *testing.T) {
			i := installations[name]
			i.values = append(append([]string{}, i.values...), "--set", set)
			before, after := checksum(t, w.render(t, installations[name])), checksum(t, w.render(t, i))
			if before == after {
				t.Errorf("--set %s leaves the pods' checksum as it was", set)
			}
		})
	}
}

func checksum(t *testing.T, objects []unstructured.Unstructured) string {
	t.Helper()
	for _, o := range objects {
		if o.GetKind() == "Deployment" {
			sum, found, err := unstructured.NestedString(o.Object, "spec", "template", "metadata", "annotations", "checksum/config")
			if err != nil || !found {
				t.Fatalf("Deployment %s has no checksum of its configuration: %v", o.GetName(), err)
			}
			return sum
		}
	}
	t.Fatal("no Deployment")
	return ""
}

// podOf returns the pods that an object makes, or nil.
func podOf(t *testing.T, o unstructured.Unstructured) *corev1.PodSpec {
	t.Helper()
	path := []string{"spec", "template", "spec"}
	if o.GetKind() == "CronJob" {
		path = append([]string{"spec", "jobTemplate"}, path...)
	}
	raw, found, err := unstructured.NestedMap(o.Object, path...)
	if err != nil || !found {
		return nil
	}
	var pod corev1.PodSpec
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(raw, &pod); err != nil {
		t.Fatalf("%s %s: %v", o.GetKind(), o.GetName(), err)
	}
	return &pod
}

// writableRoots are the containers that write to their image's files.
var writableRoots = map[string]string{"xuangong-app": "its start writes the API's URL into index.html"}

// users are the user ids that the images were built for.
var users = map[string]int64{
	"xuangong-backend": 1000, "wait-for-database": 1000, "xuangong-app": 101, "postgresql": 1001, "backup": 1001, "tether": 65532,
	"offsite": 1001, "restore": 1001, "metrics": 1001, "wait-for-restore": 1000,
	"migrate": 1000, "base-backup": 1001, "wal-offsite": 1001, "wal-fetch": 1001, "wal-restore": 1001,
}

func TestPodsMeetTheRestrictedStandard(t *testing.T) {
	w := newWorkspace(t)
	for name, i := range all() {
		t.Run(name, func(t *testing.T) {
			for _, o := range w.render(t, i) {
				if pod := podOf(t, o); pod != nil {
					for _, problem := range unrestricted(pod, i.chart == "tether") {
						t.Errorf("%s %s: %s", o.GetKind(), o.GetName(), problem)
					}
				}
			}
		})
	}
}

// unrestricted says where pods fall short of the restricted Pod Security Standard
// (https://kubernetes.io/docs/concepts/security/pod-security-standards), or of what
// the charts promise beyond it: a read-only root, and no token unless it is needed.
func unrestricted(pod *corev1.PodSpec, needsToken bool) []string {
	var problems []string
	if pod.HostNetwork || pod.HostPID || pod.HostIPC {
		problems = append(problems, "it shares a namespace of its host")
	}
	if pod.AutomountServiceAccountToken == nil || *pod.AutomountServiceAccountToken != needsToken {
		problems = append(problems, fmt.Sprintf("automountServiceAccountToken is not %t", needsToken))
	}
	for _, v := range pod.Volumes {
		if v.HostPath != nil {
			problems = append(problems, "volume "+v.Name+" is its host's")
		}
	}
	for _, c := range append(pod.InitContainers, pod.Containers...) {
		for rule, kept := range rules(pod.SecurityContext, c) {
			if !kept {
				problems = append(problems, "container "+c.Name+": "+rule)
			}
		}
	}
	return problems
}

func rules(pod *corev1.PodSecurityContext, c corev1.Container) map[string]bool {
	if pod == nil {
		pod = &corev1.PodSecurityContext{}
	}
	s := c.SecurityContext
	if s == nil {
		return map[string]bool{"it has no security context": false}
	}
	user, nonRoot, seccomp := s.RunAsUser, s.RunAsNonRoot, s.SeccompProfile
	if user == nil {
		user = pod.RunAsUser
	}
	if nonRoot == nil {
		nonRoot = pod.RunAsNonRoot
	}
	if seccomp == nil {
		seccomp = pod.SeccompProfile
	}
	capabilities := &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}
	return map[string]bool{
		"runAsNonRoot is not true":               isTrue(nonRoot),
		"runAsUser is not its image's":           user != nil && *user == users[c.Name],
		"seccompProfile is not RuntimeDefault":   seccomp != nil && seccomp.Type == corev1.SeccompProfileTypeRuntimeDefault,
		"allowPrivilegeEscalation is not false":  s.AllowPrivilegeEscalation != nil && !*s.AllowPrivilegeEscalation,
		"it is privileged":                       !isTrue(s.Privileged),
		"capabilities are not dropped":           cmp.Equal(capabilities, s.Capabilities),
		"readOnlyRootFilesystem is not as known": isTrue(s.ReadOnlyRootFilesystem) == (writableRoots[c.Name] == ""),
		"it has no limit of memory":              !c.Resources.Limits.Memory().IsZero(),
	}
}

func isTrue(b *bool) bool { return b != nil && *b }
