package render

import (
	"fmt"
	"io/fs"
	"path"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"
)

// InputKeys names the inputs of releases by git's hashes, without reading what they are
// made of: two commits with the same key render the same. It is safe for concurrent use.
type InputKeys struct {
	mu   sync.Mutex
	deps map[string][]string // folders that a chart refers to, by its hash
}

// Of returns the key of a release's inputs in a tree that knows hashes, such as a
// commit's. What lies in the cluster (valuesFrom) is no part of it. It fails when a file
// or the chart is not there.
func (k *InputKeys) Of(files fs.FS, spec ReleaseSpec) (string, error) {
	h, ok := files.(hasher)
	if !ok {
		return "", fmt.Errorf("the files have no hashes")
	}
	own, err := spec.inlineKey()
	if err != nil {
		return "", err
	}
	parts := []string{spec.Name, spec.Namespace, own}
	if spec.remote != nil {
		parts = append(parts, spec.remote.String())
	} else if parts, err = k.chart(files, h, spec.Chart, 0, parts); err != nil {
		return "", err
	}
	for _, v := range spec.Values {
		if v.File == "" {
			continue
		}
		hash, err := h.Hash(v.File)
		if err != nil {
			return "", err
		}
		parts = append(parts, hash)
	}
	return strings.Join(parts, "\n"), nil
}

// chart adds the hashes of a chart's folder and of those that it refers to.
func (k *InputKeys) chart(files fs.FS, h hasher, dir string, depth int, parts []string) ([]string, error) {
	hash, err := h.Hash(dir)
	if err != nil || depth > maxDepth {
		return parts, err
	}
	parts = append(parts, hash)
	if packed(dir) {
		return parts, nil
	}
	for _, rel := range k.refers(files, dir, hash) {
		at := path.Join(dir, rel)
		if !fs.ValidPath(at) {
			continue // rendering it says what is wrong
		}
		if parts, err = k.chart(files, h, at, depth+1, parts); err != nil {
			return parts, nil // it may be brought by the chart itself; else rendering says so
		}
	}
	return parts, nil
}

// refers are the folders beside a chart that its Chart.yaml names.
func (k *InputKeys) refers(files fs.FS, dir, hash string) []string {
	k.mu.Lock()
	known, ok := k.deps[hash]
	k.mu.Unlock()
	if ok {
		return known
	}
	var out []string
	if raw, err := readBounded(files, path.Join(dir, "Chart.yaml"), maxYAML); err == nil {
		var meta struct {
			Dependencies []struct {
				Repository string `yaml:"repository"`
			} `yaml:"dependencies"`
		}
		if yaml.Unmarshal(raw, &meta) == nil {
			for _, d := range meta.Dependencies {
				if rel, isFile := strings.CutPrefix(d.Repository, "file://"); isFile {
					out = append(out, rel)
				}
			}
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.deps == nil {
		k.deps = map[string][]string{}
	}
	k.deps[hash] = out
	return out
}

// SameChart reports whether two releases are of one chart, wherever it lies by now, or of
// by the same name: one may have been renamed to the other.
func (s ReleaseSpec) SameChart(other ReleaseSpec) bool {
	if s.remote != nil && other.remote != nil {
		return s.remote.Chart() == other.remote.Chart()
	}
	return s.Chart == other.Chart || path.Base(s.Chart) == path.Base(other.Chart)
}

// Firm reports whether the release's chart stays what it is while its key does: it lies in
// the repository, or is one version of another.
func (s ReleaseSpec) Firm() bool { return s.remote == nil || s.remote.Exact() }

// Away reports whether the release's chart lies outside of the repository.
func (s ReleaseSpec) Away() bool { return s.remote != nil }
