package fetch

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/Masterminds/semver/v3"
	"sigs.k8s.io/yaml"

	"github.com/xetys/tether/render/yamldoc"
	"github.com/xetys/tether/source/printable"
)

// These bound how much of an index is read. YAML takes more than a hundred times its size in memory to be
// read, so that only small pieces are read at once.
const (
	maxIndex    = 64 << 20
	maxWhole    = 8 << 20   // of an index that is JSON, and of what one says of a chart
	maxYAML     = 512 << 10 // of an index that is not as Helm writes it
	maxEntry    = 256 << 10 // of what it says of one version
	maxLine     = 1 << 20
	maxVersions = 10_000 // of a chart
	maxKept     = 50_000 // versions, of all indexes that are kept
)

// index is what a repository says of one chart, as it was last read.
type index struct {
	etag, modified string
	entries        entries
}

// indexes are what chart repositories said of charts when they were last read. They are
// safe for concurrent use.
type indexes struct {
	mu   sync.Mutex
	kept map[string]*index // by repository and chart
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
	if err := unmarshal(text, &file); err != nil {
		return nil, err
	}
	return chosen(file.Entries[name]), nil
}

// unmarshal reads a piece of an index. Without aliases it is no more than its own length.
func unmarshal(text []byte, into any) error {
	if !yamldoc.Repeats(text) {
		return yaml.Unmarshal(text, into)
	}
	return yamldoc.Small.Unmarshal(text, into)
}

// chosen returns the versions that have a file, the newest first, and of each what is
// of use.
func chosen(list entries) entries {
	var out entries
	for _, e := range list {
		var err error
		if e.parsed, err = semver.NewVersion(e.Version); err == nil && len(e.URLs) > 0 {
			e.URLs = e.URLs[:1:1]
			out = append(out, e)
		}
	}
	slices.SortStableFunc(out, func(a, b entry) int { return b.parsed.Compare(a.parsed) })
	return out
}

// parseCut reads what cutOut returned, version by version, if they can be told apart. A
// version of which there is too much said is left out.
func parseCut(cut []byte, name string) (entries, error) {
	_, rest, _ := bytes.Cut(cut, []byte("\n"))
	key, rest, _ := bytes.Cut(rest, []byte("\n"))
	plain := slices.Contains([]string{name + ":", `"` + name + `":`, "'" + name + "':"}, string(bytes.TrimSpace(key)))
	if items := itemsOf(rest); plain && items != nil {
		if list, err := parseItems(items); err == nil || len(cut) > maxYAML {
			return list, err
		}
	}
	if len(cut) > maxYAML {
		return nil, errNotCut
	}
	return parseEntries(cut, name)
}

func parseItems(items [][]byte) (entries, error) {
	var out entries
	for _, item := range items {
		if len(item) > maxEntry {
			continue
		}
		var list entries
		if err := unmarshal(item, &list); err != nil {
			return nil, err
		}
		if out = append(out, list...); len(out) > maxVersions {
			return nil, errVersions
		}
	}
	return chosen(out), nil
}

var errVersions = fmt.Errorf("it lists more than %d versions of the chart: give the URL of the packed chart itself", maxVersions)

// itemsOf splits a list of YAML into its items, each a list of one; nil if it does not
// begin with one.
func itemsOf(list []byte) [][]byte {
	var items [][]byte
	indent, start, at := -1, 0, 0
	for line := range bytes.Lines(list) {
		bare := bytes.TrimLeft(line, " ")
		depth := len(line) - len(bare)
		if item := bytes.HasPrefix(bare, []byte("- ")) || bytes.HasPrefix(bare, []byte("-\n")); item && (indent < 0 || depth == indent) {
			if indent >= 0 {
				items = append(items, list[start:at])
			}
			indent, start = depth, at
		} else if indent < 0 {
			return nil
		}
		at += len(line)
	}
	if indent < 0 {
		return nil
	}
	return append(items, list[start:])
}

// parseJSON reads an index that is JSON, which costs little more than its size.
func parseJSON(text []byte, name string) (entries, error) {
	var file struct {
		Entries map[string]json.RawMessage `json:"entries"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		return nil, err
	}
	raw, ok := file.Entries[name]
	if !ok || string(raw) == "null" {
		return nil, nil
	}
	list, err := versions(raw)
	return chosen(list), err
}

// versions reads a list of JSON version by version, and no more of them than there may be.
func versions(raw []byte) (entries, error) {
	items := json.NewDecoder(bytes.NewReader(raw))
	if start, err := items.Token(); err != nil || start != json.Delim('[') {
		return nil, cmp.Or(err, errors.New("what it says of the chart is no list"))
	}
	var list entries
	for items.More() {
		if len(list) == maxVersions {
			return nil, errVersions
		}
		var e entry
		if err := items.Decode(&e); err != nil {
			return nil, err
		}
		list = append(list, e)
	}
	return list, nil
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

// of returns what a repository's index says of one chart. It is read again only
// if the repository says that it is another one now.
func (x *indexes) of(ctx context.Context, c *connection, r Reference) (entries, error) {
	key := r.Chart()
	x.mu.Lock()
	known := x.kept[key]
	x.mu.Unlock()
	header := http.Header{}
	if known != nil && known.etag != "" {
		header.Set("If-None-Match", known.etag)
	} else if known != nil && known.modified != "" {
		header.Set("If-Modified-Since", known.modified)
	}
	resp, err := c.get(ctx, r.URL+"/index.yaml", header, false)
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
	x.mu.Lock()
	defer x.mu.Unlock()
	kept := len(list)
	for _, i := range x.kept {
		kept += len(i.entries)
	}
	if kept > maxKept || len(x.kept) >= maxKept/100 {
		clear(x.kept)
	}
	x.kept[key] = &index{resp.Header.Get("ETag"), resp.Header.Get("Last-Modified"), list}
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
	reading.Lock() // one at a time, however many releases there are
	defer reading.Unlock()
	cut, err := cutOut(f, name)
	if err == nil {
		list, err := parseCut(cut, name)
		if err == nil {
			return list, nil
		}
		if errors.Is(err, errVersions) {
			return nil, fmt.Errorf("the index.yaml of %s: %w", c.host, errVersions)
		}
	}
	return c.readWhole(f, size, name)
}

var reading sync.Mutex

// readWhole reads an index that is not as Helm writes it.
func (c *connection) readWhole(f *os.File, size int64, name string) (entries, error) {
	first := make([]byte, 1)
	if _, err := f.ReadAt(first, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	parse, most := parseEntries, int64(maxYAML)
	if first[0] == '{' {
		parse, most = parseJSON, maxWhole
	}
	if size > most {
		return nil, fmt.Errorf("the index.yaml of %s does not list %s, or not line by line as helm repo index writes it", c.host, name)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	whole, err := io.ReadAll(f)
	if err != nil {
		return nil, err
	}
	list, err := parse(whole, name)
	if err != nil {
		return nil, fmt.Errorf("the index.yaml of %s can't be read: %w", c.host, boundedError(err))
	}
	if len(list) == 0 {
		return nil, errAbsent
	}
	return list, nil
}

// maxTold bounds what is told of an error that quotes what it read.
const maxTold = 500

func boundedError(err error) error { return errors.New(printable.Line(err.Error(), maxTold)) }

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
