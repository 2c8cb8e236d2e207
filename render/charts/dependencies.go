package charts

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chartutil"

	"github.com/xetys/tether/render/fetch"
)

// dependencies loads what Chart.yaml refers to and the chart does not bring itself.
func (l *Loader) dependencies(ctx context.Context, dir string, ch *chart.Chart, depth int) ([]*Chart, error) {
	var out []*Chart
	for i, d := range ch.Metadata.Dependencies {
		if brings(ch, d) {
			continue
		}
		dep, err := l.dependency(ctx, dir, ch, i, depth)
		if err != nil {
			return nil, fmt.Errorf("its dependency %s: %w", d.Name, err)
		}
		if !slices.ContainsFunc(out, func(s *Chart) bool { return s.Key != "" && s.Key == dep.Key }) {
			out = append(out, dep)
		}
	}
	return out, nil
}

func brings(ch *chart.Chart, d *chart.Dependency) bool {
	return slices.ContainsFunc(ch.Dependencies(), func(c *chart.Chart) bool { return c.Name() == d.Name })
}

func (l *Loader) dependency(ctx context.Context, dir string, ch *chart.Chart, i, depth int) (*Chart, error) {
	d := ch.Metadata.Dependencies[i]
	rel, isFile := strings.CutPrefix(d.Repository, "file://")
	switch {
	case d.Repository == "":
		return nil, errors.New("it is not in the chart's charts/ folder, and has no repository: commit it there, or name its repository in Chart.yaml")
	case strings.HasPrefix(d.Repository, "@") || strings.HasPrefix(d.Repository, "alias:"):
		return nil, fmt.Errorf("repository %s is an alias that only its author's machine knows: write the address in Chart.yaml", d.Repository)
	case isFile:
		at := path.Join(dir, rel)
		if !fs.ValidPath(at) {
			return nil, fmt.Errorf("%s leaves the repository", d.Repository)
		}
		dep, err := l.source(ctx, at, depth+1)
		if err != nil {
			return nil, err
		}
		if v := dep.chart.Metadata.Version; !chartutil.IsCompatibleRange(d.Version, v) {
			return nil, fmt.Errorf("%s is version %s, and Chart.yaml asks for %s", d.Repository, v, d.Version)
		}
		return dep, nil
	}
	version, err := locked(ch, i)
	if err != nil {
		return nil, err
	}
	ref, err := fetch.ParseReference(strings.TrimSuffix(d.Repository, "/")+"/"+d.Name, version)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", fetch.Shown(d.Repository), err)
	}
	dep, err := l.remote(ctx, ref, d.Name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", ref, err)
	}
	return dep, nil
}

// locked returns the version of a chart's dependency: the one in Chart.lock if there
// is one, which then has to fit to Chart.yaml as Helm checks it.
func locked(ch *chart.Chart, i int) (string, error) {
	d := ch.Metadata.Dependencies[i]
	if ch.Lock == nil {
		return d.Version, nil
	}
	sum, err := lockDigest([2][]*chart.Dependency{ch.Metadata.Dependencies, ch.Lock.Dependencies})
	if err == nil && ch.Metadata.APIVersion == chart.APIVersionV1 && sum != ch.Lock.Digest {
		sum, err = lockDigest(map[string][]*chart.Dependency{"dependencies": ch.Metadata.Dependencies}) // as Helm 2 did
	}
	if err != nil {
		return "", err
	}
	deps := ch.Lock.Dependencies
	if sum != ch.Lock.Digest || i >= len(deps) || deps[i] == nil || deps[i].Name != d.Name {
		return "", errors.New("the chart's Chart.lock is out of sync with its Chart.yaml: run helm dependency update, and commit both")
	}
	return deps[i].Version, nil
}

// lockDigest is what Helm writes into Chart.lock.
func lockDigest(of any) (string, error) {
	raw, err := json.Marshal(of)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(raw)
	return "sha256:" + hex.EncodeToString(sum[:]), nil
}

// complete refuses a packed chart that does not bring its dependencies.
func complete(s *Chart) error {
	for _, d := range s.chart.Metadata.Dependencies {
		if !brings(s.chart, d) {
			return fmt.Errorf("it was packed without its dependency %s: pack it with helm package --dependency-update", d.Name)
		}
	}
	return nil
}
