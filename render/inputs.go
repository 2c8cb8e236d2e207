package render

import (
	"fmt"
	"io/fs"
	"path"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"

	"github.com/xetys/tether/render/charts"
	"github.com/xetys/tether/render/config"
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
func (k *InputKeys) Of(files fs.FS, spec config.ReleaseSpec) (string, error) {
	h, ok := files.(hasher)
	if !ok {
		return "", fmt.Errorf("the files have no hashes")
	}
	own, err := inlineKey(&spec)
	if err != nil {
		return "", err
	}
	parts := []string{spec.Name, spec.Namespace, own}
	if spec.Remote != nil {
		parts = append(parts, spec.Remote.String())
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
	if err != nil || depth > charts.MaxDepth {
		return parts, err
	}
	parts = append(parts, hash)
	if config.Packed(dir) {
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
	if raw, err := config.ReadFile(files, path.Join(dir, "Chart.yaml"), config.MaxFile); err == nil {
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
