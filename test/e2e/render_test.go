package e2e_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
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

// tether render gives the objects of helm template for the project's own
// environments.
func TestRenderIsHelmTemplate(t *testing.T) {
	t.Parallel()
	root, err := cluster.Root()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []struct{ environment, release, namespace string }{
		{"production", "xuangong-backend", "xuangong-prod"},
		{"production", "xuangong-app", "xuangong-prod"},
		{"development", "xuangong-backend", "xuangong-dev"},
		{"development", "xuangong-app", "xuangong-dev"},
	} {
		t.Run(r.environment+" "+r.release, func(t *testing.T) {
			t.Parallel()
			want := command(t, "helm", "template", r.release, built(t, root, r.release), "--namespace", r.namespace, "--include-crds",
				"--kube-version", "1.37.2", "--values", filepath.Join(root, "environments", r.environment, r.release+".yaml"))
			have := command(t, "tether", "render", r.environment, "--repo", root, "--release", r.release)
			if diff := cmp.Diff(objects(t, want), objects(t, have)); diff != "" {
				t.Errorf("-helm template +tether render:\n%s", diff)
			}
		})
	}
}

// mark is what a feature of charts leaves in the kitchen's objects: a value at a
// path, or absent.
type mark struct{ object, path, want string }

const absent = "(absent)"

// everywhere are the marks that don't depend on a cluster.
var everywhere = map[string]mark{
	"named templates":                           {"ConfigMap/sink-sink", "metadata.labels.team", "plumbing"},
	"tpl":                                       {"ConfigMap/sink-sink", "data.greeting", "hello sink"},
	"tpl with a context of its own":             {"ConfigMap/sink-sink", "data.tpl-context", "me in sink/templates"},
	"tpl that includes":                         {"ConfigMap/sink-sink", "data.tpl-include", "sink-sink"},
	"a large integer, kept by int64":            {"ConfigMap/sink-sink", "data.large", "12345678"},
	"a large integer becomes a float":           {"ConfigMap/sink-sink", "data.raw", "1.2345678e+07"},
	"an integer beyond what a float holds":      {"ConfigMap/sink-sink", "data.huge", "9007199254740992"},
	"an integer that stays one":                 {"ConfigMap/sink-sink", "data.exact", "123456"},
	".Files.Get":                                {"ConfigMap/sink-sink", "data.file", "from a file\n"},
	".Files.Lines":                              {"ConfigMap/sink-sink", "data.lines", "a=1,b=2"},
	".Files.Get of binary":                      {"ConfigMap/sink-sink", "data.binary", "iVBORw0KGgoA//7DKIA="},
	".Files.Glob and AsConfig":                  {"ConfigMap/files", "data.one.conf", "a=1\nb=2\n"},
	".Files keeps CRLF":                         {"ConfigMap/files", "data.two.conf", "c=3\r\n"},
	".Files and AsSecrets":                      {"Secret/files", "data.one.conf", "YT0xCmI9Mgo="},
	".helmignore, a folder's file":              {"ConfigMap/sink-sink", "data.ignored", ""},
	".helmignore with a !":                      {"ConfigMap/negated", "", absent},
	"no name service":                           {"ConfigMap/sink-sink", "data.dns", ""},
	".Chart":                                    {"ConfigMap/sink-sink", "data.chart", "sink-0.1.0-1.0"},
	".Template":                                 {"ConfigMap/sink-sink", "data.template", "sink/templates/all.yaml"},
	".Subcharts":                                {"ConfigMap/sink-sink", "data.subcharts", "7"},
	".Release.Service":                          {"ConfigMap/sink-sink", "data.service", "Helm"},
	".Release.Revision":                         {"ConfigMap/sink-sink", "data.revision", "1"},
	"import-values of exports":                  {"ConfigMap/sink-sink", "data.imported", "42"},
	"import-values from child to parent":        {"ConfigMap/sink-sink", "data.imported-child", "green"},
	"null takes a chart's default away":         {"ConfigMap/sink-sink", "data.removed", `{"deep":{"stays":"here"},"stays":"here"}`},
	"null takes a subchart's default away":      {"ConfigMap/sink-lent", "data.map", `{"kept":1}`},
	"null takes a subchart's value away":        {"ConfigMap/sink-lent", "data.nothing", absent},
	"null in place of a map":                    {"ConfigMap/sink-rented", "data.map", "null"},
	"a list is replaced, not merged":            {"ConfigMap/sink-sink", "data.replaced", "c"},
	"anchors in values":                         {"ConfigMap/sink-sink", "data.anchored", "3"},
	"YAML 1.1's words in values":                {"ConfigMap/sink-sink", "data.words", `{"off":false,"on":"on","yes":true}`},
	"library charts":                            {"ConfigMap/sink-sink", "data.library", "from the library, for sink"},
	"alias":                                     {"ConfigMap/sink-lent", "data.size", "7"},
	"alias of the same chart again":             {"ConfigMap/sink-rented", "data.size", "1"},
	"a condition leaves a subchart out":         {"ConfigMap/bundled", "", absent},
	"tags leave a subchart out":                 {"ConfigMap/sink-borrowed", "", absent},
	"one tag of several is enough":              {"ConfigMap/bytag", "metadata.name", "bytag"},
	"a condition wins over tags":                {"ConfigMap/byoff", "", absent},
	"the first of a condition's paths counts":   {"ConfigMap/byfirst", "metadata.name", "byfirst"},
	"a subchart in a package":                   {"ConfigMap/packed", "data.mark", "packed"},
	"globals in a package":                      {"ConfigMap/packed", "data.color", "blue"},
	"subcharts of subcharts":                    {"ConfigMap/deep", "data.left", "alone"},
	"values for a subchart's subchart":          {"ConfigMap/deep", "data.given", "by the user"},
	"globals: the parent's win":                 {"ConfigMap/nested", "data.size", "3"},
	"globals of all levels together":            {"ConfigMap/deep", "data.global", `{"added":null,"color":"blue","depth":"one","size":3}`},
	"crds/ come along":                          {"CustomResourceDefinition/widgets.kitchen.example.com", "spec.scope", "Namespaced"},
	"hooks":                                     {"Job/migrate", "metadata.annotations.helm.sh/hook-weight", "-5"},
	"several hooks in a file":                   {"ConfigMap/after", "data.mark", "after"},
	"tests":                                     {"Pod/probe", "metadata.annotations.helm.sh/hook", "test"},
	"a byte order mark":                         {"ConfigMap/bom", "data.mark", "bom"},
	"CRLF":                                      {"Service/crlf", "spec.ports.0.port", "80"},
	"CRLF among actions":                        {"ConfigMap/crlf", "data.mark", "crlf"},
	"CRLF in a block":                           {"ConfigMap/crlf", "data.block", "one\ntwo\n"},
	"List":                                      {"ConfigMap/listed", "data.mark", "listed"},
	"a list of one kind":                        {"Role/listed", "rules.0.verbs.0", "get"},
	"a cluster-scoped object with a namespace":  {"ClusterRole/kitchen-cluster", "rules.0.verbs.0", "get"},
	"an object of another namespace":            {"ConfigMap/elsewhere", "metadata.namespace", "kitchen-more"},
	"an object without a namespace":             {"ConfigMap/files", "metadata.namespace", absent},
	"generateName":                              {"ConfigMap/generated-", "data.mark", "generated"},
	"null in an object":                         {"Service/nulls", "spec.selector", absent},
	"YAML 1.1: yes is true":                     {"Widget/yaml", "spec.words.0", "true"},
	"YAML 1.1: off is false":                    {"Widget/yaml", "spec.words.3", "false"},
	"YAML 1.1: octal":                           {"Widget/yaml", "spec.numbers.0", "8"},
	"YAML 1.1: underscores":                     {"Widget/yaml", "spec.numbers.3", "1000"},
	"YAML 1.1: base sixty is text":              {"Widget/yaml", "spec.numbers.4", "1:30"},
	"YAML 1.1: exponents":                       {"Widget/yaml", "spec.numbers.7", "1000000"},
	"YAML 1.1: dates are text":                  {"Widget/yaml", "spec.dates.0", "2001-12-14"},
	"a large integer in an object":              {"Widget/yaml", "spec.numbers.9", "12345678901"},
	"a large integer from values, in an object": {"Widget/yaml", "spec.large", "12345678"},
	"anchors in an object":                      {"Widget/yaml", "spec.alias.color", "red"},
	"merge keys":                                {"Widget/yaml", "spec.merged.size", "1"},
	"a key that is there twice":                 {"Widget/yaml", "spec.twice", "second"},
	"capabilities: Helm's version":              {"ConfigMap/capabilities", "data.helm", "v3.22.0"},
	"capabilities: Helm's version compared":     {"ConfigMap/capabilities", "data.helm-3", "true"},
	"capabilities: a version of an API":         {"ConfigMap/capabilities", "data.version", "true"},
	"lookup of what does not exist":             {"ConfigMap/looked-up", "data.nothing", "{}"},
	"lookup of a kind that does not exist":      {"ConfigMap/looked-up", "data.unknown", "{}"},
}

// mode is a way in which both programs are asked to render.
type mode struct {
	flags   []string // of both
	helm    []string // of helm alone
	cluster bool
	marks   map[string]mark // beside those of everywhere
}

var (
	installing = map[string]mark{
		".Release.IsInstall":        {"ConfigMap/sink-sink", "data.install", "true"},
		".Release.IsUpgrade is not": {"ConfigMap/sink-sink", "data.upgrade", "false"},
	}
	upgrading = map[string]mark{
		".Release.IsInstall is not": {"ConfigMap/sink-sink", "data.install", "false"},
		".Release.IsUpgrade":        {"ConfigMap/sink-sink", "data.upgrade", "true"},
	}
	offline = map[string]mark{
		"capabilities: KubeVersion":              {"ConfigMap/capabilities", "data.kube", "v1.37.2 1 37 v1.37.2"},
		"capabilities: kinds are not known":      {"ConfigMap/capabilities", "data.kind", "false"},
		"capabilities: CRDs are not known":       {"ConfigMap/capabilities", "data.custom", "false"},
		"capabilities: what nobody has":          {"ConfigMap/capabilities", "data.missing", "false"},
		"lookup finds nothing without a cluster": {"ConfigMap/looked-up", "data.one", "none"},
		"lookup lists nothing without a cluster": {"ConfigMap/looked-up", "data.list", "0"},
	}
	given = map[string]mark{
		"capabilities: --kube-version":           {"ConfigMap/capabilities", "data.kube", "v1.29.3 1 29 v1.29.3"},
		"capabilities: --api-versions of a kind": {"ConfigMap/capabilities", "data.custom", "true"},
		"capabilities: --api-versions":           {"ConfigMap/capabilities", "data.missing", "true"},
	}
	online = map[string]mark{
		"generateName": {"ConfigMap/generated-", "", absent}, // Helm can't install it
		"capabilities: KubeVersion of the cluster": {"ConfigMap/capabilities", "data.kube", "v1.37.2 1 37 v1.37.2"},
		"capabilities: kinds of the cluster":       {"ConfigMap/capabilities", "data.kind", "true"},
		"capabilities: CRDs of the cluster":        {"ConfigMap/capabilities", "data.custom", "true"},
		"capabilities: what it has not":            {"ConfigMap/capabilities", "data.missing", "false"},
		"lookup finds":                             {"ConfigMap/looked-up", "data.one", "kube-system"},
		"lookup lists":                             {"ConfigMap/looked-up", "data.list", "1"},
	}
	modes = map[string]mode{
		"install":                {flags: []string{"--kube-version", "1.37.2"}, marks: joined(installing, offline)},
		"upgrade":                {flags: []string{"--kube-version", "1.37.2", "--is-upgrade"}, marks: joined(upgrading, offline)},
		"another cluster's APIs": {flags: []string{"--kube-version", "1.29.3", "--api-versions", "kitchen.example.com/v1/Widget,example.com/v9"}, marks: joined(installing, given)},
		"install with a cluster": {helm: []string{"--dry-run=server", "--validate"}, cluster: true, marks: joined(installing, online)},
		"upgrade with a cluster": {flags: []string{"--is-upgrade"}, helm: []string{"--dry-run=server", "--validate"}, cluster: true, marks: joined(upgrading, online)},
	}
)

func joined(all ...map[string]mark) map[string]mark {
	out := map[string]mark{}
	for _, m := range all {
		maps.Copy(out, m)
	}
	return out
}

// Everything that charts have renders as helm template renders it, object for
// object, and leaves its mark: so that no feature is compared that is not there.
func TestRenderHasAllThatChartsHave(t *testing.T) {
	t.Parallel()
	for name, m := range modes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			repo := kitchen(t)
			flags := m.flags
			if m.cluster {
				c := cluster.Shared(t)
				definition := filepath.Join(repo, "charts/sink/crds/widgets.yaml")
				c.Kubectl(t, "apply", "--server-side", "--filename", definition)
				// helm template --validate wants to know whose it is.
				c.Kubectl(t, "label", "--overwrite", "--filename", definition, "app.kubernetes.io/managed-by=Helm")
				c.Kubectl(t, "annotate", "--overwrite", "--filename", definition, "meta.helm.sh/release-name=sink", "meta.helm.sh/release-namespace=kitchen")
				c.Kubectl(t, "wait", "--for=condition=established", "--filename", definition)
				flags = append([]string{"--kubeconfig", c.Kubeconfig}, flags...)
			}
			args := slices.Concat([]string{"template", "sink", built(t, repo, "sink"), "--namespace", "kitchen", "--include-crds"}, kitchenValues(repo), flags, m.helm)
			want := released(command(t, "helm", args...))
			have := command(t, "tether", append([]string{"render", "all", "--repo", repo}, flags...)...)
			if diff := cmp.Diff(objects(t, want), objects(t, have)); diff != "" {
				t.Errorf("-helm template +tether render:\n%s", diff)
			}
			for feature, k := range joined(everywhere, m.marks) {
				if found := k.find(objects(t, have)); found != k.want {
					t.Errorf("%s: %s %s is %q, want %q", feature, k.object, k.path, found, k.want)
				}
			}
		})
	}
}

// What Helm refuses, Tether refuses in Helm's words.
func TestRenderRefusesWhatHelmRefuses(t *testing.T) {
	t.Parallel()
	for sentence, c := range map[string]struct{ chart, values, want string }{
		"a kubeVersion that the cluster has not": {"future", "", "chart requires kubeVersion: >=1.99.0-0 which is incompatible with Kubernetes v1.37.2"},
		"values that the schema does not allow":  {"strict", "{size: 4}", "strict: - at '/size': maximum: got 4, want 3"},
		"a library chart":                        {"library", "", "library charts are not installable"},
		"a template that fails":                  {"strict", "{message: it must not be}", "it must not be"},
		"a value that is required":               {"strict", "{required: true}", "say which"},
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			repo := kitchen(t)
			values := filepath.Join(repo, "environments/all/values.yaml")
			write(t, values, c.values)
			write(t, filepath.Join(repo, "environments/all/environment.yaml"), "{apiVersion: tether.stytex.cloud/v1, kind: Environment, metadata: {name: all}, spec: {namespace: kitchen, "+
				"releases: [{name: it, chart: charts/"+c.chart+", values: [values.yaml]}]}}")
			_, want := attempt(t, "helm", "template", "it", filepath.Join(repo, "charts", c.chart), "--kube-version", "1.37.2", "--values", values)
			_, have := attempt(t, "tether", "render", "all", "--repo", repo)
			for program, said := range map[string]string{"helm": want, "tether": have} {
				if !strings.Contains(strings.Join(strings.Fields(said), " "), c.want) {
					t.Errorf("%s says %q, want %q", program, said, c.want)
				}
			}
		})
	}
}

// released puts the version of Helm's released program in the place of what it
// calls itself when it is built from its module, without its patch level.
var released = strings.NewReplacer("helm: v3.22\n", "helm: v3.22.0\n", `"helm": "v3.22"`, `"helm": "v3.22.0"`).Replace

// kitchen is a repository with a chart that has all that charts have.
func kitchen(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/kitchen")); err != nil {
		t.Fatal(err)
	}
	pack(t, dir, "sink")
	return dir
}

func kitchenValues(repo string) []string {
	dir := filepath.Join(repo, "environments/all")
	return []string{"--values", filepath.Join(dir, "sink.yaml"), "--values", filepath.Join(dir, "more.yaml")}
}

// pack puts the kitchen's packed chart into the sink.
func pack(t *testing.T, repo, chart string) {
	t.Helper()
	command(t, "helm", "package", filepath.Join(repo, "charts/packed"), "--destination", filepath.Join(repo, "charts", chart, "charts"))
}

// built returns a copy of a chart with its dependencies, as Helm wants it: helm
// dependency build writes into the chart, and drops what Chart.yaml does not name.
func built(t *testing.T, repo, chart string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "charts"), os.DirFS(filepath.Join(repo, "charts"))); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "charts", chart)
	command(t, "helm", "dependency", "build", path)
	if chart == "sink" {
		pack(t, dir, chart)
	}
	return path
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// command runs a program that has to succeed, and returns what it prints.
func command(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, said := attempt(t, name, args...)
	if said != "" {
		t.Fatalf("%s %v: %s", name, args, said)
	}
	return out
}

// attempt runs a program, and returns what it prints and, if it fails, what it
// says of that.
func attempt(t *testing.T, name string, args ...string) (printed, said string) {
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
		return string(out), fmt.Sprintf("%v\n%s", err, &stderr)
	}
	return string(out), ""
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

// find returns what the mark's object has at its path.
func (m mark) find(objects []map[string]any) string {
	for _, o := range objects {
		items, ok := o["items"].([]any)
		if !ok {
			items = []any{o}
		}
		for _, i := range items {
			o, _ := i.(map[string]any)
			meta, _ := o["metadata"].(map[string]any)
			name := meta["name"]
			if name == nil {
				name = meta["generateName"]
			}
			switch {
			case m.object != fmt.Sprint(o["kind"], "/", name):
			case m.path == "":
				return "(there)"
			default:
				return at(o, m.path)
			}
		}
	}
	return absent
}

// at follows a path of keys and places in lists; a key may have dots.
func at(v any, path string) string {
	switch v := v.(type) {
	case map[string]any:
		for k, below := range v {
			if k == path {
				return at(below, "")
			}
			if rest, ok := strings.CutPrefix(path, k+"."); ok {
				return at(below, rest)
			}
		}
		return absent
	case []any:
		place, rest, _ := strings.Cut(path, ".")
		for i, below := range v {
			if fmt.Sprint(i) == place {
				return at(below, rest)
			}
		}
		return absent
	case nil:
		return absent
	case string:
		return v
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(raw)
}
