// Package render turns an environment's files into releases: it reads
// environment.yaml, merges values, and renders charts with Helm.
//
// It does not know git or a cluster: it reads an fs.FS, and is told what the
// cluster can do.
package render

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/xetys/tether/apply/health"
	"github.com/xetys/tether/render/fetch"
	"github.com/xetys/tether/render/manifest"
	"github.com/xetys/tether/render/mask"
	"github.com/xetys/tether/render/yamldoc"
)

// Environment is what environment.yaml says.
type Environment struct {
	Name, Namespace string
	NamespaceLabels map[string]string
	// Drift is correct, report or strict.
	Drift string
	// Ignore are fields that are left to others.
	Ignore []manifest.Ignore
	// Health are rules on objects' health; nil for none.
	Health *health.Rules
	// Atomic has all releases of a commit go back when one of them fails.
	Atomic bool
	// Windows are when deploys are allowed or denied; none allows them always.
	Windows []Window
	// PruneBudget is the share of the environment's objects that one commit may
	// delete unasked, in percent.
	PruneBudget int
	// ChartCredentials are the logins for hosts that charts come from.
	ChartCredentials []ChartCredential
	// Rules are what releases are held to when they are rendered.
	Rules    *Rules
	Releases []ReleaseSpec
	// Pins are what charts that lie elsewhere were resolved to.
	Pins *Pins

	*common
	file string
	line int // of the namespace
}

// ReleaseSpec is one release of an Environment.
type ReleaseSpec struct {
	Name, Namespace string
	// Chart is the chart's folder or packed chart, from the repository's root, or the
	// address of one that lies elsewhere.
	Chart string
	// ValuesFrom are values that lie in the cluster; later ones win.
	ValuesFrom []ValuesFromSpec
	// Values win over ValuesFrom; later ones win.
	Values []ValuesSpec
	// Patches change what the chart renders, in order.
	Patches   []PatchSpec
	DependsOn []string
	Timeout   time.Duration
	// WaitWhileHeld has the time-out wait while all that is not healthy is held.
	WaitWhileHeld bool
	// OnFailure is rollback or hold.
	OnFailure string
	// Retries is how often a rollout that failed is tried again by itself.
	Retries int
	// Graces are how long pods may be in trouble; zero ones have the default.
	Graces manifest.Graces
	// Verify is checked once the release is healthy.
	Verify []manifest.Check

	remote *fetch.Reference // of a chart that lies elsewhere
	rules  *Rules           // of its environment
	file   string
	line   int
}

// Environments lists the environments of a repository, sorted. What stands in the place
// of one and is no folder (a link, a submodule) is listed, so that it is refused by name.
func Environments(files fs.FS) ([]string, error) {
	entries, err := fs.ReadDir(files, "environments")
	if err != nil {
		return nil, Problems{{File: "environments", Message: "the folder is missing: a config repository holds environments/NAME/environment.yaml"}}
	}
	var out []string
	for _, e := range entries {
		if e.IsDir() || !e.Type().IsRegular() && !strings.Contains(e.Name(), ".") {
			out = append(out, e.Name())
		}
	}
	if len(out) > maxEnvironments {
		return nil, Problems{{File: "environments", Message: fmt.Sprintf("it has more than %d folders: one repository is for fewer environments", maxEnvironments)}}
	}
	return out, nil
}

// The document's shape. Fields that are named by the documentation and not
// supported yet are known, to be refused by name.
type document struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string `yaml:"kind"`
	Metadata   struct {
		Name string `yaml:"name"`
	} `yaml:"metadata"`
	Spec specDocument `yaml:"spec"`
}

type specDocument struct {
	Namespace       string            `yaml:"namespace"`
	NamespaceLabels map[string]string `yaml:"namespaceLabels"`
	Drift           string            `yaml:"drift"`
	Ignore          []ignoreDocument  `yaml:"ignore"`
	Health          yaml.Node         `yaml:"health"`
	Atomic          bool              `yaml:"atomic"`
	DeployWindows   []windowDocument  `yaml:"deployWindows"`
	PruneBudget     string            `yaml:"pruneBudget"`
	Secrets         string            `yaml:"secrets"`
	Releases        []releaseDocument `yaml:"releases"`

	Versioning       *versioningDocument  `yaml:"versioning"`
	ChartCredentials []credentialDocument `yaml:"chartCredentials"`
}

type releaseDocument struct {
	Name       string               `yaml:"name"`
	Namespace  string               `yaml:"namespace"`
	Chart      string               `yaml:"chart"`
	Version    string               `yaml:"version"`
	ValuesFrom []valuesFromDocument `yaml:"valuesFrom"`
	Values     yaml.Node            `yaml:"values"`
	Patches    []patchDocument      `yaml:"patches"`
	DependsOn  []string             `yaml:"dependsOn"`
	Timeout    string               `yaml:"timeout"`
	WaitHeld   bool                 `yaml:"waitWhileHeld"`
	OnFailure  string               `yaml:"onFailure"`
	Retries    int                  `yaml:"retries"`

	Graces gracesDocument  `yaml:"graces"`
	Verify []checkDocument `yaml:"verify"`
}

// LoadEnvironment reads environments/NAME/environment.yaml strictly. Everything
// that is wrong is returned at once, as Problems.
func LoadEnvironment(files fs.FS, name string) (*Environment, error) {
	file := path.Join("environments", name, "environment.yaml")
	raw, err := readBounded(files, file, maxYAML)
	if err != nil {
		return nil, Problems{{File: file, Message: fmt.Sprintf("can't be read: %v; an environment is a folder with an environment.yaml", cause(err))}}
	}
	root, err := yamldoc.File.ParseOne(raw)
	var second *yamldoc.SecondError
	switch {
	case errors.Is(err, io.EOF):
		return nil, Problems{{File: file, Message: "is empty: it holds one document of kind Environment"}}
	case errors.As(err, &second):
		return nil, Problems{{File: file, Line: second.Line, Message: "holds more than one document: keep one, of kind Environment"}}
	case err != nil:
		return nil, Problems{syntaxProblem(file, err)}
	}
	var doc document
	decoder := yaml.NewDecoder(bytes.NewReader(raw))
	decoder.KnownFields(true)
	if err := decoder.Decode(&doc); err != nil {
		return nil, strictProblems(file, err)
	}
	l := checker{files: files, file: file, root: root, raw: raw}
	env := l.environment(name, doc)
	return env, l.problems.orNil()
}

// HasEnvironment reports whether there is a folder of an environment, if only one that
// can't be read.
func HasEnvironment(files fs.FS, name string) bool {
	_, err := fs.Stat(files, path.Join("environments", name))
	return !errors.Is(err, fs.ErrNotExist)
}

// checker checks a decoded document and keeps what is wrong with it.
type checker struct {
	files    fs.FS
	file     string
	root     *yaml.Node
	raw      []byte
	patched  int // bytes of patches
	steps    int // of regular expressions
	problems Problems
}

func (l *checker) refuse(line int, format string, args ...any) {
	l.problems = append(l.problems, Problem{File: l.file, Line: line, Message: fmt.Sprintf(format, args...)})
}

var (
	dnsLabel   = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)
	releases   = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`) // as Helm names them
	objectName = regexp.MustCompile(`^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$`)
)

// isNamespace reports whether a namespace can have a name.
// EnvironmentName reports whether an environment may have a name.
func EnvironmentName(name string) bool { return isNamespace(name) }

func isNamespace(name string) bool { return dnsLabel.MatchString(name) && len(name) <= 63 }

func (l *checker) environment(name string, doc document) *Environment {
	if doc.APIVersion != "tether.stytex.cloud/v1" {
		l.refuse(l.line("apiVersion"), "apiVersion is %q: use tether.stytex.cloud/v1", doc.APIVersion)
	}
	if doc.Kind != "Environment" {
		l.refuse(l.line("kind"), "kind is %q: use Environment", doc.Kind)
	}
	if doc.Metadata.Name != name {
		l.refuse(l.line("metadata", "name"), "metadata.name is %q: it must equal the folder's name, %q", doc.Metadata.Name, name)
	}
	s := doc.Spec
	env := &Environment{Name: name, Namespace: s.Namespace, NamespaceLabels: s.NamespaceLabels, Drift: cmp.Or(s.Drift, "correct"),
		Atomic: s.Atomic, Windows: l.windows(s.DeployWindows), PruneBudget: l.budget(s.PruneBudget), Ignore: l.ignores(s.Ignore), Health: l.health(&s.Health),
		ChartCredentials: l.credentials(s.ChartCredentials), Rules: l.rules(s), Pins: &Pins{}, common: &common{}, file: l.file, line: l.line("spec", "namespace")}
	if !isNamespace(s.Namespace) {
		l.refuse(l.line("spec", "namespace"), "spec.namespace is %q: use lower-case letters, digits and dashes, 63 at the most", s.Namespace)
	}
	l.labels(s.NamespaceLabels)
	if env.Drift != "correct" && env.Drift != "report" && env.Drift != "strict" {
		l.refuse(l.line("spec", "drift"), "spec.drift is %q: use correct, report or strict", env.Drift)
	}
	if len(s.Releases) > maxReleases {
		l.refuse(l.line("spec", "releases"), "the environment has %d releases, more than %d: split it", len(s.Releases), maxReleases)
		return env
	}
	for i, r := range s.Releases {
		env.Releases = append(env.Releases, l.release(env, i, r))
	}
	l.relations(env)
	env.names = env.known()
	return env
}

// common is what an environment's releases have in common.
type common struct {
	taken taken       // what was read for its releases
	names *mask.Names // what is no secret when a secret equals it
}

// known are the names that an environment gives to what is in it.
func (e *Environment) known() *mask.Names {
	all := []string{e.Name, e.Namespace}
	for _, r := range e.Releases {
		all = append(all, r.Name, r.Namespace, path.Base(r.Chart))
	}
	return mask.NewNames(all...)
}

func (l *checker) release(env *Environment, i int, r releaseDocument) ReleaseSpec {
	at := func(field string) int { return l.line("spec", "releases", i, field) }
	spec := ReleaseSpec{Name: r.Name, Namespace: cmp.Or(r.Namespace, env.Namespace), DependsOn: r.DependsOn,
		Timeout: 5 * time.Minute, WaitWhileHeld: r.WaitHeld, OnFailure: cmp.Or(r.OnFailure, "rollback"), rules: env.Rules, file: l.file, line: l.line("spec", "releases", i)}
	if !releases.MatchString(r.Name) || len(r.Name) > 53 {
		l.refuse(at("name"), "release name %q: use lower-case letters, digits, dashes and single dots, 53 at the most, as Helm does", r.Name)
	}
	if r.Namespace != "" && !isNamespace(r.Namespace) {
		l.refuse(at("namespace"), "namespace %q of release %s: use lower-case letters, digits and dashes, 63 at the most", r.Namespace, r.Name)
	}
	if r.Timeout != "" {
		spec.Timeout = l.duration(at("timeout"), "timeout", r.Timeout, r.Name)
	}
	if spec.Retries = r.Retries; r.Retries < 0 || r.Retries > mostRetries {
		l.refuse(at("retries"), "retries %d of release %s: use 0 to %d", r.Retries, r.Name, mostRetries)
	}
	spec.Graces = l.graces(i, r)
	if spec.OnFailure != "rollback" && spec.OnFailure != "hold" {
		l.refuse(at("onFailure"), "onFailure %q of release %s: use rollback or hold", r.OnFailure, r.Name)
	}
	spec.Verify = l.checks(i, r.Verify)
	spec.Chart, spec.remote = l.chart(at, r)
	spec.ValuesFrom = l.valuesFrom(i, spec.Namespace, r.ValuesFrom)
	spec.Values = l.values(r.Values)
	spec.Patches = l.patches(i, r.Patches)
	return spec
}

// within resolves a path that must stay in the repository and exist.
func (l *checker) within(line int, what, name, base string) (string, bool) {
	p := path.Join(base, name)
	if rest, ok := strings.CutPrefix(name, "/"); ok {
		p = path.Clean(rest)
	}
	if !fs.ValidPath(p) {
		l.refuse(line, "%s %s leaves the repository: use a path within it", what, name)
		return "", false
	}
	if what == "chart" {
		return p, true
	}
	_, err := fs.Stat(l.files, p)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		l.refuse(line, "%s %s does not exist (looked for %s)", what, name, p)
	case err != nil:
		l.refuse(line, "%s %s (%s) can't be read: %v", what, name, p, cause(err))
	}
	return p, err == nil
}

// relations checks what concerns several releases: names, dependencies, cycles.
func (l *checker) relations(env *Environment) {
	byName := map[string]int{}
	for i, r := range env.Releases {
		if first, twice := byName[r.Name]; twice {
			l.refuse(r.line, "release %s is listed twice, first in line %d: rename or remove one", r.Name, env.Releases[first].line)
			continue
		}
		byName[r.Name] = i
	}
	for i, r := range env.Releases {
		for j, d := range r.DependsOn {
			if _, ok := byName[d]; !ok {
				l.refuse(l.line("spec", "releases", i, "dependsOn", j), "release %s depends on %s, which is not listed", r.Name, d)
			}
		}
	}
	if c := cycle(env.Releases, byName); c != nil {
		l.refuse(env.Releases[byName[c[0]]].line, "the releases depend on each other in a cycle: %s", strings.Join(c, " → "))
	}
}

// cycle returns the first cycle of dependencies, its first release again at the
// end, or nil.
func cycle(releases []ReleaseSpec, byName map[string]int) []string {
	state := map[string]int{} // 1 being visited, 2 done
	var stack []string
	var visit func(string) []string
	visit = func(name string) []string {
		if state[name] == 1 {
			return append(slices.Clone(stack[slices.Index(stack, name):]), name)
		}
		i, ok := byName[name]
		if state[name] == 2 || !ok {
			return nil
		}
		state[name], stack = 1, append(stack, name)
		for _, d := range releases[i].DependsOn {
			if c := visit(d); c != nil {
				return c
			}
		}
		state[name], stack = 2, stack[:len(stack)-1]
		return nil
	}
	for _, r := range releases {
		if c := visit(r.Name); c != nil {
			return c
		}
	}
	return nil
}

// line finds where a field stands; the nearest parent that exists counts.
func (l *checker) line(steps ...any) int {
	node := l.root
	if node.Kind == yaml.DocumentNode && len(node.Content) > 0 {
		node = node.Content[0]
	}
	for _, s := range steps {
		next := child(node, s)
		if next == nil {
			break
		}
		node = next
	}
	return node.Line
}

func child(n *yaml.Node, at any) *yaml.Node {
	switch at := at.(type) {
	case int:
		if n.Kind == yaml.SequenceNode && at < len(n.Content) {
			return n.Content[at]
		}
	case string:
		for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == at {
				return n.Content[i+1]
			}
		}
	}
	return nil
}
