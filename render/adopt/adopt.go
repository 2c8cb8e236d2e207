// Package adopt turns what other tools deploy into an environment's files: Helm's records,
// Flux's HelmReleases and Argo CD's Applications become environment.yaml and values files.
//
// It does not know the cluster: it is given what was found there, and returns texts. It
// never writes a secret value into one.
package adopt

import (
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Found is what a cluster holds of the releases of one namespace.
type Found struct {
	Namespace string
	// Recorded are the releases that Helm has a record of, by name.
	Recorded map[string]Recorded
	// HelmReleases and Applications are those that deploy into the namespace.
	HelmReleases, Applications []unstructured.Unstructured
	// Secrets are the namespace's own, but for Helm's records.
	Secrets []unstructured.Unstructured
	// Object reads what a HelmRelease refers to: its source, by kind and name.
	Object func(kind, namespace, name string) (*unstructured.Unstructured, error)
}

// Recorded is what Helm's newest good record says of a release.
type Recorded struct {
	Chart, Version string
	Revision       int
	Values         map[string]any
	// Objects are what the release rendered to, hooks included.
	Objects []unstructured.Unstructured
	// Ours is the environment that deploys it already; empty if none does.
	Ours string
}

// Release is a release as another tool deploys it, in the terms of environment.yaml.
type Release struct {
	Name, Namespace string
	// From says what it was read from.
	From  string
	Chart Chart
	// Files are values files of the repository, from its root, in front of Values.
	Files  []string
	Values map[string]any
	// Secret are the values that are taken out of Values, as paths of keys.
	Secret     [][]string
	ValuesFrom []ValuesFrom
	Settings   Settings
	// Notes say what is not carried over, and why.
	Notes []string
	// HandOver are the commands that end the former tool's work on it, in order.
	HandOver []string

	secret map[string]any
}

// Chart is where a release's chart lies.
type Chart struct{ Location, Version string }

// ValuesFrom is a layer of values that lies in the cluster.
type ValuesFrom struct {
	Kind       string `yaml:"kind"`
	Name       string `yaml:"name"`
	Key        string `yaml:"key,omitempty"`
	TargetPath string `yaml:"targetPath,omitempty"`
	Optional   bool   `yaml:"optional,omitempty"`
}

// Settings are what else is said of a release.
type Settings struct {
	Patches   []map[string]any
	DependsOn []string
	Timeout   string
	Retries   int
	// Ignore and Logins are the environment's.
	Ignore []map[string]any
	Logins map[string]string // Secrets by host
}

// SecretName is the Secret that holds the secret values of a release, under values.yaml.
func (r *Release) SecretName() string { return r.Name + "-values" }

// SecretValues are the secret values of a release, for that Secret alone.
func (r *Release) SecretValues() map[string]any { return r.secret }

// Wanted says which releases are adopted, and where charts lie that nothing tells of.
type Wanted struct {
	Names  []string          // none are all
	Charts map[string]string // places by release
}

// Problems is all that keeps releases from being adopted.
type Problems []string

// Error is a line for each.
func (p Problems) Error() string { return strings.Join(p, "\n") }

// Releases reads the releases of a namespace, sorted by name. Each is read from the tool
// that deploys it: an Application or a HelmRelease goes before the record that it leaves.
// A setting that can't be carried over as it is, is a problem; then no releases are returned.
func Releases(found Found, files fs.FS, want Wanted) ([]*Release, error) {
	a := &adoption{found: found, files: files, want: want, taken: map[string]string{}}
	for i := range found.Applications {
		a.application(&found.Applications[i])
	}
	for i := range found.HelmReleases {
		a.helmRelease(&found.HelmReleases[i])
	}
	for _, name := range slices.Sorted(maps.Keys(found.Recorded)) {
		if a.taken[name] == "" && a.wants(name) {
			a.recorded(name)
		}
	}
	for _, name := range want.Names {
		if a.taken[name] == "" {
			a.refuse("release %s: nothing in namespace %s tells of it: no Helm record, no HelmRelease, no Application", name, found.Namespace)
		}
	}
	a.unused()
	if len(a.taken) == 0 && len(a.problems) == 0 {
		a.refuse("namespace %s: nothing is deployed there by Helm, Flux or Argo CD", found.Namespace)
	}
	if len(a.problems) > 0 {
		slices.Sort(a.problems)
		return nil, a.problems
	}
	slices.SortFunc(a.releases, func(x, y *Release) int { return strings.Compare(x.Name, y.Name) })
	a.dependencies()
	return a.releases, nil
}

// adoption is one reading of a namespace.
type adoption struct {
	found    Found
	files    fs.FS
	want     Wanted
	taken    map[string]string // from what each release was read
	releases []*Release
	problems Problems
}

func (a *adoption) refuse(format string, args ...any) {
	a.problems = append(a.problems, fmt.Sprintf(format, args...))
}

func (a *adoption) wants(name string) bool {
	return len(a.want.Names) == 0 || slices.Contains(a.want.Names, name)
}

// releaseNames are the names that Helm lets releases have.
var releaseNames = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)

// take enters a release, once.
func (a *adoption) take(name, from string) bool {
	if !a.wants(name) {
		return false
	}
	if was := a.taken[name]; was != "" {
		a.refuse("release %s: %s and %s both deploy it: remove one of them first", name, was, from)
		return false
	}
	a.taken[name] = from
	if !releaseNames.MatchString(name) || len(name) > 53 { // files are called by it
		a.refuse("release %q: %s calls it by a name that no release has: use lower-case letters, digits, dashes and dots, 53 at the most", name, from)
		return false
	}
	return true
}

// unused refuses places of charts for releases that are none.
func (a *adoption) unused() {
	for _, name := range slices.Sorted(maps.Keys(a.want.Charts)) {
		if a.taken[name] == "" {
			a.refuse("--chart %s=%s: no release %s is adopted", name, a.want.Charts[name], name)
		}
	}
}

// dependencies drops those on releases that are not adopted with it, and says so.
func (a *adoption) dependencies() {
	for _, r := range a.releases {
		r.Settings.DependsOn = slices.DeleteFunc(r.Settings.DependsOn, func(on string) bool {
			known := slices.ContainsFunc(a.releases, func(o *Release) bool { return o.Name == on })
			if !known {
				r.Notes = append(r.Notes, fmt.Sprintf("it depends on %s, which is not adopted with it", on))
			}
			return !known
		})
	}
}
