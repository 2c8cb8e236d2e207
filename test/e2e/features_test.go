package e2e_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
)

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
	"an object over 256 KiB":                    {"ConfigMap/big", "data.mark", "sum-29927e27"},
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
