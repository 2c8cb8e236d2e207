package adopt

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"sigs.k8s.io/yaml"
)

// recorded reads a release that helm deployed by hand, or what deploys as helm does.
func (a *adoption) recorded(name string) {
	rec := a.found.Recorded[name]
	from := fmt.Sprintf("Helm's record %s/%s, revision %d, of chart %s %s", a.found.Namespace, name, rec.Revision, rec.Chart, rec.Version)
	if rec.Ours != "" {
		if len(a.want.Names) > 0 {
			a.refuse("release %s: environment %s deploys it already", name, rec.Ours)
		}
		return
	}
	if !a.take(name, from) {
		return
	}
	chart, err := a.chartOf(name, rec)
	if err != nil {
		a.refuse("release %s: %v", name, err)
		return
	}
	r := &Release{Name: name, Namespace: a.found.Namespace, From: from, Chart: chart, Values: rec.Values}
	a.addRelease(r, rec)
}

// addRelease takes a release's secrets out of its values, and keeps it.
func (a *adoption) addRelease(r *Release, rec Recorded) {
	if version := a.versionOf(r.Chart.Location); version != "" && rec.Version != "" && version != rec.Version {
		r.Notes = append(r.Notes, fmt.Sprintf("%s has version %s of the chart, and %s runs: what that changes is in the proof", r.Chart.Location, version, rec.Version))
	}
	e := newEvidence(rec.Objects, a.found.Secrets)
	r.Values, r.secret, r.Secret = e.split(r.Values)
	for _, file := range r.Files {
		a.checkFile(r, file)
	}
	a.releases = append(a.releases, r)
}

// checkFile refuses a values file that would win over a secret value.
func (a *adoption) checkFile(r *Release, file string) {
	raw, err := fs.ReadFile(a.files, file)
	if err != nil {
		a.refuse("release %s: %s: its values file %s can't be read in the repository: copy it there", r.Name, r.From, file)
		return
	}
	values := map[string]any{}
	if err := yaml.Unmarshal(raw, &values); err != nil {
		a.refuse("release %s: values file %s is no map of values", r.Name, file)
		return
	}
	for _, at := range r.Secret {
		if _, has := get(values, at); has {
			a.refuse("release %s: %s sets %s too, which is a secret elsewhere, and would win over it: take it out of the file", r.Name, file, strings.Join(at, "."))
		}
	}
}

// chartOf finds the chart of a record, which does not say where it came from: where
// --chart says, or the one folder of the repository that holds a chart of its name.
func (a *adoption) chartOf(name string, rec Recorded) (Chart, error) {
	if place := a.want.Charts[name]; place != "" {
		return a.placed(place, rec.Version)
	}
	places, err := chartsNamed(a.files, rec.Chart)
	switch {
	case err != nil:
		return Chart{}, err
	case len(places) == 1:
		return Chart{Location: places[0]}, nil
	case len(places) > 1:
		return Chart{}, fmt.Errorf("the repository holds chart %s more than once (%s): name one with --chart %s=FOLDER", rec.Chart, strings.Join(places, ", "), name)
	}
	return Chart{}, fmt.Errorf("the record of Helm does not say where chart %s %s came from, and the repository does not hold it: copy it there, or name its place with --chart %s=oci://… or --chart %s=https://REPOSITORY/%s",
		rec.Chart, rec.Version, name, name, rec.Chart)
}

// placed is the chart at a place that somebody named, in the version that runs.
func (a *adoption) placed(place, version string) (Chart, error) {
	if remote(place) {
		if strings.HasSuffix(place, ".tgz") {
			version = ""
		}
		return Chart{Location: place, Version: version}, nil
	}
	place = path.Clean(strings.TrimPrefix(place, "./"))
	if strings.HasSuffix(place, ".tgz") {
		if _, err := fs.Stat(a.files, place); err != nil {
			return Chart{}, fmt.Errorf("the repository has no packed chart %s", place)
		}
		return Chart{Location: place}, nil
	}
	if a.versionOf(place) == "" {
		return Chart{}, fmt.Errorf("the repository has no chart in folder %s", place)
	}
	return Chart{Location: place}, nil
}

func remote(place string) bool { return strings.Contains(place, "://") }

// chartFile is what is read of a Chart.yaml.
type chartFile struct{ Name, Version string }

func chartAt(files fs.FS, dir string) (chartFile, error) {
	var c chartFile
	raw, err := fs.ReadFile(files, path.Join(dir, "Chart.yaml"))
	if err != nil {
		return c, err
	}
	return c, yaml.Unmarshal(raw, &c)
}

// versionOf is the version of the chart in a folder of the repository; empty if none is there.
func (a *adoption) versionOf(dir string) string {
	if remote(dir) || !fs.ValidPath(dir) {
		return ""
	}
	c, err := chartAt(a.files, dir)
	if err != nil {
		return ""
	}
	return c.Version
}

// chartsNamed lists the folders of the repository that hold a chart of a name, without
// those within other charts.
func chartsNamed(files fs.FS, name string) ([]string, error) {
	var out []string
	err := fs.WalkDir(files, ".", func(at string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case !e.IsDir():
			return nil
		case strings.HasPrefix(e.Name(), ".") && at != ".":
			return fs.SkipDir
		}
		c, err := chartAt(files, at)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil && c.Name == name {
			out = append(out, at)
		}
		return fs.SkipDir
	})
	return out, err
}
