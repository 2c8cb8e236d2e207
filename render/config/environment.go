// Package config reads environment.yaml: it parses it strictly, checks everything in it, and
// reports problems by file and line.
//
// It does not know how charts are fetched and rendered, and it does not know git or a
// cluster: it reads an fs.FS.
package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/xetys/tether/apply/health"
	"github.com/xetys/tether/render/fetch"
	"github.com/xetys/tether/render/manifest"
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
	Rules *Rules
	// Promote is what is brought here from another environment; nil for nothing.
	Promote  *PromoteSpec
	Releases []ReleaseSpec

	// File is environment.yaml itself, and Line that of the namespace in it.
	File string
	Line int
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

	// Remote is where a chart that lies elsewhere comes from; nil for one of the
	// repository.
	Remote *fetch.Reference
	// Rules are those of its environment.
	Rules *Rules
	// File and Line are where the release is listed.
	File string
	Line int
}

// The bounds of what environment.yaml lists.
const (
	maxEnvironments = 1000
	maxReleases     = 2000 // of an environment: the ledger has a line for each
)

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

// Load reads environments/NAME/environment.yaml strictly. Everything
// that is wrong is returned at once, as Problems.
func Load(files fs.FS, name string) (*Environment, error) {
	file := path.Join("environments", name, "environment.yaml")
	raw, err := ReadFile(files, file, MaxFile)
	if err != nil {
		return nil, Problems{{File: file, Message: fmt.Sprintf("can't be read: %v; an environment is a folder with an environment.yaml", Cause(err))}}
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
	return env, l.problems.OrNil()
}

// Exists reports whether there is a folder of an environment, if only one that
// can't be read.
func Exists(files fs.FS, name string) bool {
	_, err := fs.Stat(files, path.Join("environments", name))
	return !errors.Is(err, fs.ErrNotExist)
}

var (
	dnsLabel     = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)
	releaseNames = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`) // as Helm names them
)

// EnvironmentName reports whether an environment may have a name.
func EnvironmentName(name string) bool { return isNamespace(name) }

// isNamespace reports whether a namespace can have a name.
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
		ChartCredentials: l.credentials(s.ChartCredentials), Rules: l.rules(s.Secrets, s.Versioning), File: l.file, Line: l.line("spec", "namespace")}
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
	env.Promote = l.promote(env, s.Promote)
	return env
}

func (l *checker) release(env *Environment, i int, r releaseDocument) ReleaseSpec {
	at := func(field string) int { return l.line("spec", "releases", i, field) }
	spec := ReleaseSpec{Name: r.Name, Namespace: cmp.Or(r.Namespace, env.Namespace), DependsOn: r.DependsOn,
		Timeout: 5 * time.Minute, WaitWhileHeld: r.WaitHeld, OnFailure: cmp.Or(r.OnFailure, "rollback"), Rules: env.Rules, File: l.file, Line: l.line("spec", "releases", i)}
	if !releaseNames.MatchString(r.Name) || len(r.Name) > 53 {
		l.refuse(at("name"), "release name %q: use lower-case letters, digits, dashes and single dots, 53 at the most, as Helm does", r.Name)
	}
	if r.Namespace != "" && !isNamespace(r.Namespace) {
		l.refuse(at("namespace"), "namespace %q of release %s: use lower-case letters, digits and dashes, 63 at the most", r.Namespace, r.Name)
	}
	if r.Timeout != "" {
		spec.Timeout = l.duration(at("timeout"), "timeout", r.Timeout, r.Name)
	}
	if spec.Retries = r.Retries; r.Retries < 0 || r.Retries > maxRetries {
		l.refuse(at("retries"), "retries %d of release %s: use 0 to %d", r.Retries, r.Name, maxRetries)
	}
	spec.Graces = l.graces(i, r.Name, r.Graces)
	if spec.OnFailure != "rollback" && spec.OnFailure != "hold" {
		l.refuse(at("onFailure"), "onFailure %q of release %s: use rollback or hold", r.OnFailure, r.Name)
	}
	spec.Verify = l.checks(i, r.Verify)
	spec.Chart, spec.Remote = l.chart(at, r.Name, r.Chart, r.Version)
	spec.ValuesFrom = l.valuesFrom(i, spec.Namespace, r.ValuesFrom)
	spec.Values = l.values(r.Values)
	spec.Patches = l.patches(i, r.Patches)
	return spec
}
