package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"
)

// document is one object of a file, or why it is none.
type document struct {
	object *unstructured.Unstructured
	err    error
}

// expand puts the files of a folder in the folder's place, sorted.
func expand(files []string) []string {
	var out []string
	for _, file := range files {
		if file == "-" || !isFolder(file) {
			out = append(out, file)
			continue
		}
		found := false
		entries, _ := os.ReadDir(file) // one that can't be read is said as a file that can't be
		for _, e := range entries {
			switch filepath.Ext(e.Name()) {
			case ".yaml", ".yml", ".json":
				out, found = append(out, filepath.Join(file, e.Name())), true
			}
		}
		if !found {
			out = append(out, file)
		}
	}
	return out
}

// readDocuments reads the objects of a file, and the items of lists in it, in order. One
// that can't be read says so in its place. A document with nothing in it is none; a file
// without any is an error: what wrote it may have failed.
func readDocuments(in io.Reader, file string) ([]document, error) {
	raw, err := readFile(in, file)
	if err != nil {
		return nil, fmt.Errorf("%s can't be read: %w", file, cause(err))
	}
	var out []document
	n := 0
	text := bytes.TrimSpace(raw)
	if len(text) > 0 && (text[0] == '{' || text[0] == '[') && json.Valid(text[:firstValue(text)]) {
		out, n = readJSON(raw)
	} else {
		out, n = readYAML(raw)
	}
	if n == 0 {
		return nil, fmt.Errorf("%s holds no object: did what wrote it fail?", file)
	}
	return out, nil
}

// cause is what is wrong with a file, without its name.
func cause(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

func readFile(in io.Reader, file string) ([]byte, error) {
	if file == "-" {
		return io.ReadAll(in)
	}
	if isFolder(file) {
		return nil, errors.New("it is a folder without files that end in .yaml, .yml or .json")
	}
	return os.ReadFile(file)
}

// firstValue is where the first JSON value of a text ends; 0 if it has none.
func firstValue(text []byte) int {
	d := json.NewDecoder(bytes.NewReader(text))
	var first json.RawMessage
	if d.Decode(&first) != nil {
		return 0
	}
	return int(d.InputOffset())
}

// readJSON reads values that follow each other, and counts them.
func readJSON(raw []byte) ([]document, int) {
	var out []document
	d := json.NewDecoder(bytes.NewReader(raw))
	for n := 1; ; n++ {
		var value json.RawMessage
		at := d.InputOffset()
		err := d.Decode(&value)
		if errors.Is(err, io.EOF) {
			return out, n - 1
		}
		where := fmt.Sprintf("document %d (line %d)", n, lineAt(raw, at))
		if err != nil {
			return append(out, document{err: fmt.Errorf("%s can't be read: %w", where, err)}), n
		}
		out = append(out, objectsOf(value, where)...)
	}
}

// lineAt is the line in which what begins at or after an offset stands.
func lineAt(raw []byte, at int64) int {
	rest := raw[at:]
	at += int64(len(rest) - len(bytes.TrimLeft(rest, " \t\r\n")))
	return 1 + bytes.Count(raw[:at], []byte("\n"))
}

// separator begins a document of YAML.
var separator = regexp.MustCompile(`^---(\s|$)`)

// readYAML reads the documents between lines of three dashes, and counts those that say
// something.
func readYAML(raw []byte) ([]document, int) {
	var out []document
	lines := strings.SplitAfter(string(raw), "\n")
	n, begins := 0, 0
	for i := range len(lines) + 1 {
		if i < len(lines) && !separator.MatchString(lines[i]) {
			continue
		}
		first := begins
		for first < i && blank(lines[first]) {
			first++
		}
		if first < i {
			n++
			out = append(out, readOne(strings.Join(lines[begins:i], ""), begins, fmt.Sprintf("document %d (line %d)", n, first+1))...)
		}
		begins = i
	}
	return out, n
}

// blank reports whether a line of YAML says nothing.
func blank(line string) bool {
	line = strings.TrimSpace(line)
	return line == "" || line == "---" || line == "..." || strings.HasPrefix(line, "#") || separator.MatchString(line) && blank(line[3:])
}

// readOne reads one document of YAML, which begins after so many lines of its file.
func readOne(text string, before int, where string) []document {
	value, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		return []document{{err: fmt.Errorf("%s can't be read: %s", where, inFile(err, before))}}
	}
	return objectsOf(value, where)
}

var lineOf = regexp.MustCompile(`line (\d+)`)

// inFile turns the lines of a document that an error names into those of its file.
func inFile(err error, before int) string {
	text := strings.TrimPrefix(err.Error(), "error converting YAML to JSON: ")
	return lineOf.ReplaceAllStringFunc(text, func(at string) string {
		n, err := strconv.Atoi(strings.TrimPrefix(at, "line "))
		if err != nil {
			return at
		}
		return fmt.Sprintf("line %d", n+before)
	})
}

// objectsOf returns the object that a document holds, or the items of a list.
func objectsOf(value []byte, where string) []document {
	u := &unstructured.Unstructured{}
	if string(value) == "null" {
		return nil
	}
	if err := utiljson.Unmarshal(value, &u.Object); err != nil {
		return []document{{err: fmt.Errorf("%s is no object: an object has an apiVersion and a kind", where)}}
	}
	items, isList := u.Object["items"].([]any)
	if !isList || !strings.HasSuffix(u.GetKind(), "List") {
		return []document{{object: u}}
	}
	out := []document{}
	for i, item := range items {
		m, ok := item.(map[string]any)
		if !ok {
			out = append(out, document{err: fmt.Errorf("%s: item %d of the list is no object", where, i+1)})
			continue
		}
		out = append(out, document{object: itemOf(u, m)})
	}
	return out
}

// itemOf is an item of a list. Those of a list of one kind may leave out what the list
// says.
func itemOf(list *unstructured.Unstructured, item map[string]any) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: item}
	if kind := strings.TrimSuffix(list.GetKind(), "List"); kind != "" && u.GetKind() == "" && u.GetAPIVersion() == "" {
		u.SetAPIVersion(list.GetAPIVersion())
		u.SetKind(kind)
	}
	return u
}

func isFolder(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}
