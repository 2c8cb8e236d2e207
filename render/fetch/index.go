package fetch

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"
	"sigs.k8s.io/yaml"
)

const (
	maxIndex   = 64 << 20
	maxWhole   = 8 << 20 // of an index, or of what it says of one chart, that is read as YAML
	maxLine    = 1 << 20
	maxIndexes = 64
)

// index is what a repository says of one chart, as it was last read.
type index struct {
	etag, modified string
	entries        entries
}

// entries are a chart's versions in a repository, the newest first.
type entries []entry

type entry struct {
	Version string   `json:"version"`
	URLs    []string `json:"urls"`
	Digest  string   `json:"digest"`

	parsed *semver.Version
}

// parseEntries reads an index. What Helm would pass over is left out: versions that
// are none, and such as have no file.
func parseEntries(text []byte, name string) (entries, error) {
	var file struct {
		Entries map[string]entries `json:"entries"`
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		return nil, err
	}
	var out entries
	for _, e := range file.Entries[name] {
		var err error
		if e.parsed, err = semver.NewVersion(e.Version); err == nil && len(e.URLs) > 0 {
			out = append(out, e)
		}
	}
	slices.SortStableFunc(out, func(a, b entry) int { return b.parsed.Compare(a.parsed) })
	return out, nil
}

// pick returns what a version or a range means, as Helm does: what is written like
// it, or else the newest within it; nil if there is none.
func (es entries) pick(wanted string) *entry {
	for i := range es {
		if es[i].Version == wanted {
			return &es[i]
		}
	}
	constraint, err := semver.NewConstraint(wanted)
	for i := range es {
		if err == nil && constraint.Check(es[i].parsed) {
			return &es[i]
		}
	}
	return nil
}

// address is where the chart's file lies; it may be relative to the repository.
func (e *entry) address(repository string) (*url.URL, error) {
	base, err := url.Parse(repository + "/")
	if err != nil {
		return nil, err
	}
	return base.Parse(e.URLs[0])
}

// index returns what a repository's index says of one chart. It is read again only
// if the repository says that it is another one now.
func (f *Fetcher) index(ctx context.Context, c *connection, r Reference) (entries, error) {
	key := r.Chart()
	f.mu.Lock()
	known := f.indexes[key]
	f.mu.Unlock()
	header := http.Header{}
	if known != nil && known.etag != "" {
		header.Set("If-None-Match", known.etag)
	} else if known != nil && known.modified != "" {
		header.Set("If-Modified-Since", known.modified)
	}
	resp, err := c.get(ctx, r.URL+"/index.yaml", header)
	if errors.Is(err, errAbsent) {
		return nil, fmt.Errorf("%s is no chart repository: there is no index.yaml", r.URL)
	}
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNotModified && known != nil {
		return known.entries, nil
	}
	list, err := c.read(resp.Body, r.Name)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.indexes) >= maxIndexes {
		clear(f.indexes)
	}
	f.indexes[key] = &index{resp.Header.Get("ETag"), resp.Header.Get("Last-Modified"), list}
	return list, nil
}

// read reads an index. Those of large repositories have tens of MiB, and take
// hundreds to be parsed: what concerns the chart is cut out first.
func (c *connection) read(body io.Reader, name string) (entries, error) {
	f, err := os.CreateTemp("", "tether-index-")
	if err != nil {
		return nil, fmt.Errorf("keep the index.yaml of %s: %w", c.host, err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	size, err := c.spool(f, body)
	if err != nil {
		return nil, err
	}
	cut, err := cutOut(f, name)
	if err == nil {
		if list, err := parseEntries(cut, name); err == nil {
			return list, nil
		}
	}
	if size > maxWhole {
		return nil, fmt.Errorf("the index.yaml of %s does not list %s, or not line by line as helm repo index writes it", c.host, name)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	whole, err := io.ReadAll(f)
	if err != nil {
		return nil, err
	}
	list, err := parseEntries(whole, name)
	if err != nil {
		return nil, fmt.Errorf("the index.yaml of %s can't be read: %w", c.host, err)
	}
	if len(list) == 0 {
		return nil, errAbsent
	}
	return list, nil
}

// spool writes an index to a file, and goes back to its beginning.
func (c *connection) spool(f *os.File, body io.Reader) (int64, error) {
	size, err := io.Copy(f, io.LimitReader(body, maxIndex+1))
	switch {
	case err != nil:
		return 0, c.brokeOff(err)
	case size > maxIndex:
		return 0, fmt.Errorf("the index.yaml of %s has more than %d MiB: give the URL of the packed chart itself", c.host, maxIndex>>20)
	}
	_, err = f.Seek(0, io.SeekStart)
	return size, err
}

var errNotCut = errors.New("the index does not list the chart as Helm writes it")

// cutOut returns an index with nothing but one chart's entry, cut out of what Helm
// writes line by line.
func cutOut(whole io.Reader, name string) ([]byte, error) {
	lines := bufio.NewScanner(whole)
	lines.Buffer(nil, maxLine)
	out := bytes.NewBufferString("entries:\n")
	within, found, indent := false, false, -1
	for lines.Scan() {
		text := lines.Text()
		bare := strings.TrimLeft(text, " ")
		depth := len(text) - len(bare)
		switch {
		case !within:
			within = strings.TrimRight(text, " \r") == "entries:"
			continue
		case bare == "" || strings.HasPrefix(bare, "#") && !found:
			continue
		case indent < 0:
			indent = depth
		}
		if depth < indent || depth == 0 {
			break // entries are over
		}
		if depth == indent && !strings.HasPrefix(bare, "-") {
			if found {
				break
			}
			key, _, _ := strings.Cut(bare, ":")
			found = strings.Trim(key, `"'`) == name
		}
		if found {
			out.WriteString(text + "\n")
		}
		if out.Len() > maxWhole {
			return nil, errNotCut
		}
	}
	if err := lines.Err(); err != nil || !found {
		return nil, errNotCut
	}
	return out.Bytes(), nil
}
