package e2e_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/xetys/tether/test/cluster"
)

// tether render gives the objects of helm template for the same chart and values:
// for the project's own environments, and for a chart with all that charts have.
func TestRenderIsHelmTemplate(t *testing.T) {
	t.Parallel()
	root, err := cluster.Root()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []struct{ repo, environment, release, namespace, chart, values string }{
		{root, "production", "xuangong-backend", "xuangong-prod", "charts/xuangong-backend", "environments/production/xuangong-backend.yaml"},
		{root, "production", "xuangong-app", "xuangong-prod", "charts/xuangong-app", "environments/production/xuangong-app.yaml"},
		{root, "development", "xuangong-backend", "xuangong-dev", "charts/xuangong-backend", "environments/development/xuangong-backend.yaml"},
		{root, "development", "xuangong-app", "xuangong-dev", "charts/xuangong-app", "environments/development/xuangong-app.yaml"},
		{kitchen(t), "all", "sink", "kitchen", "charts/sink", "environments/all/sink.yaml"},
	} {
		t.Run(r.environment+" "+r.release, func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir() // helm dependency build writes into the chart
			if err := os.CopyFS(folder, os.DirFS(filepath.Join(r.repo, "charts"))); err != nil {
				t.Fatal(err)
			}
			chart := filepath.Join(folder, filepath.Base(r.chart))
			command(t, "helm", "dependency", "build", chart)
			want := command(t, "helm", "template", r.release, chart, "--namespace", r.namespace, "--include-crds",
				"--kube-version", "1.37.2", "--values", filepath.Join(r.repo, r.values))
			have := command(t, "tether", "render", r.environment, "--repo", r.repo, "--release", r.release)
			if diff := cmp.Diff(objects(t, want), objects(t, have)); diff != "" {
				t.Errorf("-helm template +tether render:\n%s", diff)
			}
		})
	}
}

// kitchen is a repository with a chart that has all that charts have.
func kitchen(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	out, err := exec.Command("cp", "-r", "testdata/kitchen/.", dir).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return dir
}

func command(t *testing.T, name string, args ...string) string {
	t.Helper()
	path, err := cluster.Binary(name)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	home := t.TempDir()
	cmd.Env = []string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "KUBECONFIG=" + filepath.Join(home, "none")}
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, &stderr)
	}
	return string(out)
}

// objects parses documents, and puts them in an order: that of helm template and
// tether render differ in where hooks stand.
func objects(t *testing.T, text string) []map[string]any {
	t.Helper()
	var out []map[string]any
	decoder := yaml.NewYAMLOrJSONDecoder(strings.NewReader(text), 4096)
	for {
		var o map[string]any
		err := decoder.Decode(&o)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v in:\n%s", err, text)
		}
		if len(o) > 0 {
			out = append(out, o)
		}
	}
	if len(out) == 0 {
		t.Fatal("nothing was rendered")
	}
	slices.SortStableFunc(out, func(a, b map[string]any) int { return strings.Compare(key(a), key(b)) })
	return out
}

func key(o map[string]any) string {
	meta, _ := o["metadata"].(map[string]any)
	return fmt.Sprint(o["kind"], meta["namespace"], meta["name"])
}
