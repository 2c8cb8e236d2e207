package health

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// publicCase is a case of Argo CD's test data: an object, and what Argo CD calls it.
type publicCase struct{ kind, file, theirs string }

// ourStates are Argo CD's words in ours. What is suspended waits for somebody.
var ourStates = map[string]State{"Healthy": Healthy, "Progressing": Progressing, "Degraded": Unhealthy, "Suspended": Progressing}

// builtInCases is what Argo CD calls its objects of Kubernetes' own kinds, which
// stands in no file but in its tests.
var builtInCases = map[string]string{
	"deployment-progressing": "Progressing", "deployment-suspended": "Suspended", "deployment-degraded": "Degraded",
	"statefulset": "Healthy", "statefulset-ondelete": "Healthy", "daemonset-ondelete": "Healthy", "pvc-bound": "Healthy", "pvc-pending": "Progressing",
	"svc-clusterip": "Healthy", "svc-loadbalancer": "Healthy", "svc-loadbalancer-unassigned": "Progressing", "svc-loadbalancer-nonemptylist": "Healthy",
	"ingress": "Healthy", "ingress-unassigned": "Progressing", "ingress-nonemptylist": "Healthy",
	"job-running": "Progressing", "job-failed": "Degraded", "job-succeeded": "Healthy", "job-suspended": "Suspended",
	"hpa-v2-healthy": "Healthy", "hpa-v2-degraded": "Degraded", "hpa-v2-progressing": "Progressing", "hpa-v1-degraded": "Degraded",
	"hpa-v1-degraded-failedgetobjectmetric": "Degraded", "hpa-v1-healthy": "Healthy", "hpa-v1-healthy-toofew": "Healthy",
	"hpa-v1-progressing": "Progressing", "hpa-v1-progressing-with-no-annotations": "Progressing",
	"pod-pending": "Progressing", "pod-running-not-ready": "Progressing", "pod-crashloop": "Degraded", "pod-imagepullbackoff": "Degraded", "pod-error": "Degraded",
	"pod-running-restart-always": "Healthy", "pod-running-restart-never": "Progressing", "pod-running-restart-never-with-ignore-annotation": "Healthy",
	"pod-running-restart-never-hook-with-ignore-annotation": "Progressing", "pod-running-restart-never-with-ignore-annotation-backoff": "Degraded",
	"pod-running-restart-onfailure": "Progressing", "pod-failed": "Degraded", "pod-succeeded": "Healthy", "pod-deletion": "Progressing",
	"apiservice-v1-true": "Healthy", "apiservice-v1-false": "Progressing", "apiservice-v1beta1-true": "Healthy", "apiservice-v1beta1-false": "Progressing",
}

// notOurs are kinds of which Argo CD's answer would make a rollout wait for what a
// release does not own: an autoscaler's metrics, a claim's first consumer, an address
// that an Ingress's class never sets, a budget that its pods meet, a run of a CronJob
// that is due some day. docs/health.md says so.
var notOurs = map[string]bool{
	"built in/hpa": true, "built in/pvc": true, "built in/ingress": true, "policy/PodDisruptionBudget": true, "batch/CronJob": true,
}

// TestAgreesWithArgoCD judges the objects of Argo CD's test data, if TETHER_ARGO_TREE
// names a folder with resource_customizations and gitops-engine in it, and prints a
// table by kind.
func TestAgreesWithArgoCD(t *testing.T) {
	root := os.Getenv("TETHER_ARGO_TREE")
	if root == "" {
		t.Skip("TETHER_ARGO_TREE names no checkout of argoproj/argo-cd")
	}
	table := map[string][4]int{}
	var total, beside [4]int // agree, too early, stuck, else
	var out strings.Builder
	for _, c := range publicCases(t, root) {
		v := Of(firstObject(t, c.file), Options{})
		at := answer(v.State, ourStates[c.theirs])
		if at > 0 && notOurs[c.kind] {
			beside[at]++
			continue
		}
		row := table[c.kind]
		row[at]++
		total[at]++
		table[c.kind] = row
		if at > 0 {
			rel, _ := filepath.Rel(root, c.file)
			fmt.Fprintf(&out, "%-9s %s: %s, theirs %s: %s (%s, %s)\n", [4]string{"", "TOO EARLY", "STUCK", "other"}[at], rel, v.State, c.theirs, v.Reason, v.Rule, v.Field)
		}
	}
	t.Logf("\n%s", out.String())
	t.Logf("%-60s agree early stuck other", "")
	for _, kind := range slices.Sorted(maps.Keys(table)) {
		t.Logf("%-60s %5d %5d %5d %5d", kind, table[kind][0], table[kind][1], table[kind][2], table[kind][3])
	}
	t.Logf("%-60s %5d %5d %5d %5d", "all", total[0], total[1], total[2], total[3])
	t.Logf("%-60s %5d %5d %5d %5d", "beside: what a release does not own", beside[0], beside[1], beside[2], beside[3])
	if sum := total[0] + total[1] + total[2] + total[3]; total[0] < 1080 || total[1] > 10 || total[2] > 5 {
		t.Errorf("%d of %d agree, %d too early, %d stuck", total[0], sum, total[1], total[2])
	}
}

func answer(ours, theirs State) int {
	switch {
	case ours == theirs:
		return 0
	case ours == Healthy:
		return 1
	case theirs == Healthy:
		return 2
	}
	return 3
}

func publicCases(t *testing.T, root string) []publicCase {
	t.Helper()
	var out []publicCase
	base := filepath.Join(root, "resource_customizations")
	err := filepath.WalkDir(base, func(p string, e fs.DirEntry, err error) error {
		if err != nil || e.Name() != "health_test.yaml" {
			return err
		}
		raw, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		var doc struct {
			Tests []map[string]any
		}
		if err := yaml.Unmarshal(raw, &doc); err != nil {
			return err
		}
		for _, c := range doc.Tests {
			input, _ := c["inputPath"].(string) // two are misspelt, and tested by nobody
			said, _ := c["healthStatus"].(map[string]any)
			theirs, _ := said["status"].(string)
			if ourStates[theirs] != "" && input != "" {
				kind, _ := filepath.Rel(base, filepath.Dir(p))
				out = append(out, publicCase{kind, filepath.Join(filepath.Dir(p), input), theirs})
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, theirs := range builtInCases {
		kind, _, _ := strings.Cut(name, "-")
		out = append(out, publicCase{"built in/" + kind, filepath.Join(root, "gitops-engine/pkg/health/testdata", name+".yaml"), theirs})
	}
	slices.SortFunc(out, func(a, b publicCase) int { return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.file, b.file)) })
	return out
}

func firstObject(t *testing.T, file string) *unstructured.Unstructured {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var doc json.RawMessage
	u := &unstructured.Unstructured{}
	if err := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(raw), 4096).Decode(&doc); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	if err := utiljson.Unmarshal(doc, &u.Object); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return u
}
