// Package house_test checks the project's rules on its code and docs: which package may
// import which, how long functions are, and that the docs name what exists.
package house_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/xetys/tether/test/cluster"
)

const module = "github.com/xetys/tether/"

// mayImport says for each package which other packages of the project it may import. A
// package that is not listed may not exist.
var mayImport = map[string][]string{
	"source/outbound":    {"source/printable"},
	"source/printable":   {},
	"source":             {},
	"source/sourcetest":  {"source"},
	"source/git":         {"source", "source/outbound", "source/printable"},
	"drift":              {},
	"render/manifest":    {},
	"render/mask":        {},
	"render/config":      {"apply/health", "apply/realm", "render/fetch", "render/manifest", "render/patch", "render/sops", "render/yamldoc"},
	"render/charts":      {"render/config", "render/fetch", "render/worker"},
	"render":             {"render/charts", "render/config", "render/fetch", "render/mask", "render/manifest", "render/patch", "render/sops", "render/worker", "render/yamldoc"},
	"render/absorb":      {"drift", "render", "render/config", "render/edit", "render/images", "render/manifest"},
	"render/adopt":       {},
	"render/blame":       {"apply/ownership", "drift", "render", "render/config", "render/manifest"},
	"render/edit":        {},
	"render/images":      {"render", "render/config", "render/edit", "render/manifest"},
	"render/fetch":       {"source/outbound", "source/printable", "render/yamldoc"},
	"render/patch":       {"render/manifest", "render/yamldoc"},
	"render/sops":        {"source/outbound", "render/yamldoc"},
	"render/worker":      {"render/manifest", "render/patch", "render/worker/wire"},
	"render/worker/wire": {},
	"render/yamldoc":     {},
	"apply/record":       {"render/manifest", "source/printable"},
	"apply/health":       {},
	"apply/apierror":     {},
	"apply/ownership":    {"drift"},
	"apply/quota":        {"render/manifest"},
	"apply/scaling":      {"render/manifest"},
	"apply/plan":         {"apply/apierror", "apply/ownership", "apply/quota", "apply/realm", "apply/scaling", "drift", "render/manifest"},
	"apply/former":       {"apply/kube", "apply/record", "render/adopt", "render/manifest"},
	"apply/realm":        {"render/manifest"},
	"apply/permissions":  {"render/manifest"},
	"apply/kube":         {"source/outbound", "apply/apierror", "apply/ownership", "apply/realm", "drift", "render/manifest"},
	"apply/live":         {"apply/kube", "apply/ownership", "apply/scaling", "drift", "render/manifest"},
	"apply":              {"source/outbound", "source/printable", "apply/kube", "apply/live", "apply/record", "drift", "render/manifest", "apply/execute", "apply/former", "apply/inspect", "apply/judge", "apply/pods", "apply/ssa", "apply/survey", "apply/verify", "apply/wait"},
	"apply/graph":        {},
	"agent/decide":       {"apply/graph", "apply/record", "render/config"},
	"agent/ledger":       {"source/printable", "apply", "apply/kube", "apply/record", "drift", "render/config", "render/fetch", "source", "apply/health", "apply/judge"},
	"agent/report":       {"agent/ledger"},
	"agent/lead":         {"agent/ledger", "apply", "apply/kube"},
	"agent/status":       {"agent/decide", "agent/lead", "agent/ledger", "apply", "apply/record", "render/config", "render/manifest", "render/mask", "apply/apierror"},
	"agent/observed":     {"agent/ledger", "apply/record", "render/manifest", "apply/plan"},
	"agent/veil":         {"agent/observed", "render", "render/mask"},
	"agent/assess":       {"agent/decide", "agent/ledger", "agent/observed", "agent/veil", "apply", "apply/graph", "apply/realm", "apply/record", "render", "render/config", "render/manifest", "render/mask", "render/sops", "source", "apply/apierror", "apply/kube", "apply/live", "apply/plan", "apply/ownership", "drift"},
	"agent/rollout":      {"source/printable", "render", "agent/veil", "apply/pods", "agent/assess", "agent/decide", "agent/ledger", "agent/notify", "agent/observed", "agent/reads", "agent/report", "apply", "apply/record", "render/manifest", "apply/apierror", "apply/plan", "apply/execute", "apply/judge", "apply/wait"},
	"agent/retry":        {"agent/observed"},
	"agent/inbox":        {"agent/ledger", "agent/rollout", "source"},
	"agent/deploy":       {"agent/assess", "agent/decide", "agent/ledger", "agent/observed", "agent/rollout", "apply/apierror", "apply/graph", "render/manifest", "apply/wait"},
	"agent/verdict":      {"agent/assess", "agent/decide", "agent/deploy", "agent/ledger", "agent/observed", "agent/report", "agent/retry", "agent/rollout", "apply/graph", "apply/kube", "apply/live", "apply/record", "render/manifest", "source", "apply/health", "apply/judge"},
	"agent/desired":      {"agent/assess", "agent/inbox", "agent/retry", "agent/verdict", "apply/health", "render/manifest", "source"},
	"agent/namespace":    {"agent/assess", "agent/inbox", "agent/verdict", "apply/apierror"},
	"agent/web":          {},
	"agent/notify":       {"source/outbound", "source/printable", "agent/ledger"},
	"agent/promote":      {"agent/ledger", "agent/status", "render", "render/config", "render/images", "source"},
	"agent/api":          {"docs"},
	"agent/page":         {"agent/api", "agent/ledger", "agent/reads", "agent/status", "agent/why", "render/blame"},
	"agent/why":          {"agent/ledger", "apply/kube", "render", "render/blame", "source"},
	"agent/reads":        {"docs", "agent/api", "agent/ledger", "agent/status", "agent/why", "render", "render/blame", "apply", "apply/health", "apply/record", "render/manifest", "render/mask", "apply/kube", "apply/plan"},
	"docs":               {},
	"agent":              {"source/outbound", "source/printable", "agent/assess", "agent/decide", "agent/deploy", "agent/desired", "agent/inbox", "agent/lead", "agent/ledger", "agent/namespace", "agent/notify", "agent/observed", "agent/page", "agent/promote", "agent/reads", "agent/report", "agent/retry", "agent/rollout", "agent/status", "agent/veil", "agent/verdict", "agent/web", "agent/why", "source", "render", "render/blame", "render/config", "render/manifest", "apply", "apply/health", "apply/realm", "apply/record", "drift", "apply/kube"},
	"cmd/tether":         {"source/outbound", "source/printable", "agent", "agent/api", "agent/why", "agent/assess", "agent/ledger", "agent/notify", "agent/reads", "agent/report", "agent/status", "agent/web", "apply", "apply/former", "apply/health", "apply/realm", "cmd/tether/demo", "render", "render/config", "render/manifest", "render/absorb", "render/blame", "render/adopt", "render/fetch", "render/images", "render/worker", "source", "source/git", "apply/kube", "apply/ownership", "apply/permissions", "apply/plan"},
	"cmd/tether/demo":    {},
	"test/artifact":      {"source"},
	"test/cluster":       {},
	"test/faults":        {},
	"test/conversation":  {},
	"test/release":       {"render/manifest"},
	"test/sample":        {"agent/api", "agent/ledger", "agent/reads", "agent/status", "agent/why", "apply/kube", "render", "render/blame"},
	"test/pages":         {"agent/api", "agent/ledger", "agent/page", "test/sample"},
	"test/hosts":         {"test/cluster"},
	"test/sops":          {},
	"test/controlplane":  {},
	"apply/ssa":          {"apply/apierror", "apply/kube", "apply/live", "apply/ownership", "drift", "render/manifest"},
	"apply/judge":        {"apply/health", "apply/kube", "apply/live", "apply/ownership", "apply/plan", "render/manifest"},
	"apply/pods":         {"apply/kube", "apply/live", "apply/plan", "render/manifest", "render/mask", "source/printable"},
	"apply/wait":         {"apply/health", "apply/judge", "apply/live", "apply/ownership", "apply/plan", "apply/pods", "render/manifest"},
	"apply/survey":       {"apply/apierror", "apply/kube", "apply/live", "apply/ownership", "apply/plan", "apply/quota", "apply/scaling", "apply/ssa", "drift", "render/manifest"},
	"apply/inspect":      {"apply/apierror", "apply/health", "apply/judge", "apply/kube", "apply/live", "apply/ownership", "apply/plan", "apply/quota", "render/manifest"},
	"apply/execute":      {"apply/apierror", "apply/health", "apply/judge", "apply/kube", "apply/live", "apply/ownership", "apply/plan", "apply/quota", "apply/ssa", "apply/survey", "apply/wait", "render/manifest"},
	"apply/verify":       {"apply/pods", "apply/execute", "apply/health", "apply/judge", "apply/kube", "apply/ownership", "apply/plan", "apply/wait", "render/manifest", "source/outbound"},
}

// libraries says which packages alone may import a library.
var libraries = []struct {
	prefix, what string
	only         []string
}{
	{"helm.sh/helm/v3/pkg/storage", "Helm's storage", []string{"apply/record"}},
	{"helm.sh/helm/v3/pkg/engine", "Helm's engine", []string{"render", "render/worker", "apply/kube"}}, // apply answers its lookups
	{"helm.sh/helm/v3/pkg/chart", "Helm's charts", []string{"render", "render/charts", "render/worker", "apply/record"}},
	{"k8s.io/client-go/dynamic", "a Kubernetes client", []string{"apply/kube", "apply/live", "render/worker"}}, // a worker has none: Helm's lookup takes its type
	{"k8s.io/client-go/kubernetes", "a Kubernetes client", []string{"apply/kube", "apply/record", "cmd/tether/demo", "test/cluster", "test/controlplane"}},
	{"sigs.k8s.io/controller-runtime", "a Kubernetes client", []string{"apply/kube", "apply/ssa", "apply/survey"}},
	{"github.com/go-git/go-git", "git", []string{"source/git"}},
	{"github.com/getsops/", "SOPS", []string{"render/sops", "test/sops"}},
	{"sigs.k8s.io/kustomize", "kustomize", []string{"render/patch"}},
	{"oras.land/oras-go", "registries", []string{"render/fetch"}},
	{"github.com/hiddeco/sshsig", "signatures", []string{"source/git"}},
	{"github.com/ProtonMail/go-crypto", "OpenPGP", []string{"source/git", "render/sops", "test/sops"}},
	{"github.com/golang-jwt/jwt", "a GitHub App", []string{"source/git", "test/hosts"}},
	{"github.com/google/cel-go", "CEL", []string{"apply/health"}},
	{"github.com/wneessen/go-mail", "mail", []string{"agent/notify"}},
	{"log/slog", "a log", []string{"agent", "agent/api", "agent/desired", "agent/lead", "agent/page", "agent/reads", "agent/report", "agent/rollout", "agent/veil", "agent/verdict", "agent/web", "cmd/tether", "test/pages"}},
	{"github.com/prometheus/", "metrics", []string{"agent", "agent/report", "agent/web", "cmd/tether"}},
}

func TestImportsGoOneWay(t *testing.T) {
	eachFile(t, func(pkg, file string, imports []string) {
		allowed, known := mayImport[pkg]
		if !known {
			t.Errorf("%s: package %s is not in mayImport (test/house/imports_test.go): add it, with what it may import", file, pkg)
		}
		for _, i := range imports {
			if own, ok := strings.CutPrefix(i, module); ok && !contains(allowed, own) {
				t.Errorf("%s imports %s: %s may import %v only", file, own, pkg, allowed)
			}
			for _, l := range libraries {
				if strings.HasPrefix(i, l.prefix) && !contains(l.only, pkg) {
					t.Errorf("%s imports %s: %s is for %v alone", file, i, l.what, l.only)
				}
			}
		}
	})
}

var notKnown = regexp.MustCompile(`(?i)(does|do) not\s+know|knows\s+(nothing|neither)|, and nothing of`)

func TestEachPackageSaysWhatItDoesNotKnow(t *testing.T) {
	said := map[string]bool{}
	seen := map[string]bool{}
	root := rootFolder(t)
	eachFile(t, func(pkg, file string, _ []string) {
		seen[pkg] = true
		parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, file), nil, parser.ParseComments|parser.PackageClauseOnly)
		if err != nil {
			t.Fatal(err)
		}
		if parsed.Doc != nil && notKnown.MatchString(parsed.Doc.Text()) {
			said[pkg] = true
		}
	})
	for pkg := range seen {
		if !said[pkg] {
			t.Errorf("package %s does not say in its doc comment what it does not know", pkg)
		}
	}
}

func rootFolder(t *testing.T) string {
	t.Helper()
	root, err := cluster.Root()
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// eachFile calls see with every Go file that is no test's, and what it imports.
func eachFile(t *testing.T, see func(pkg, file string, imports []string)) {
	t.Helper()
	root := rootFolder(t)
	found := 0
	err := filepath.WalkDir(root, func(p string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() && (strings.HasPrefix(e.Name(), ".") && p != root || e.Name() == "testdata" || e.Name() == "bin") {
			return fs.SkipDir
		}
		if e.IsDir() || filepath.Ext(p) != ".go" || strings.HasSuffix(p, "_test.go") {
			return nil
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		parsed, err := parser.ParseFile(token.NewFileSet(), p, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		var imports []string
		for _, i := range parsed.Imports {
			imports = append(imports, strings.Trim(i.Path.Value, `"`))
		}
		found++
		see(path.Dir(rel), rel, imports)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if found == 0 {
		t.Fatal("no Go file was found")
	}
}

func contains(list []string, one string) bool {
	for _, l := range list {
		if l == one {
			return true
		}
	}
	return false
}

// TestTheLayoutNamesEachPackage holds the map that newcomers read to the packages that there are.
func TestTheLayoutNamesEachPackage(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(rootFolder(t), "docs", "development.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, layout, _ := strings.Cut(string(page), "## The layout\n")
	layout, _, found := strings.Cut(layout, "\n## ")
	if !found {
		t.Fatal("docs/development.md has no layout")
	}
	for pkg := range mayImport {
		if !regexp.MustCompile(`\b` + path.Base(pkg) + `\b`).MatchString(layout) {
			t.Errorf("the layout in docs/development.md does not name %s", pkg)
		}
	}
}
