package absorb

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	sigsyaml "sigs.k8s.io/yaml"

	"github.com/xetys/tether/render/edit"
	"github.com/xetys/tether/render/images"
	"github.com/xetys/tether/render/manifest"
)

// patch has a patch of the release make what no value decides.
func (s *solver) patch(id manifest.ID, goal leaves, rest []difference, why map[string]string, found *solution) error {
	if len(rest) == 0 {
		return nil
	}
	refuse := func(text string) error {
		for _, d := range rest {
			found.parts = append(found.parts, part{path: d.path, why: why[d.path] + "; nor does a patch: " + text})
		}
		return nil
	}
	change, err := s.patched(id, rest)
	if err != nil {
		return refuse(err.Error())
	}
	next := *s
	if err := next.open(s.repo.With(change), s.env.Name, true); err != nil {
		return refuse(s.p.Mask(strings.Join(strings.Fields(err.Error()), " ")))
	}
	for _, d := range rest {
		if ok, also := s.accepts(id, goal, d, next.leaves); !ok {
			if also == "" {
				also = "not all of it"
			}
			return refuse("it would change " + also)
		}
	}
	*s = next
	found.changes = append(found.changes, change)
	for _, d := range rest {
		found.parts = append(found.parts, part{path: d.path, file: change.File, key: "patches", why: why[d.path]})
	}
	return nil
}

// patched is environment.yaml with a patch for some differences of an object.
func (s *solver) patched(id manifest.ID, rest []difference) (*images.Change, error) {
	text, err := operations(rest)
	if err != nil {
		return nil, err
	}
	target := map[string]any{"kind": id.Kind, "name": regexp.QuoteMeta(id.Name)}
	if id.Group != "" {
		target["group"] = regexp.QuoteMeta(id.Group)
	}
	spec := s.p.Spec()
	c := &images.Change{File: spec.File}
	if c.Before, err = fs.ReadFile(s.repo.Files, c.File); err != nil {
		return nil, err
	}
	at, count, err := listed(c.Before, spec.Name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.File, err)
	}
	var to any = map[string]any{"target": target, "patch": text}
	path := []any{"spec", "releases", at, "patches"}
	if count > 0 {
		path = append(path, count)
	} else {
		to = []any{to}
	}
	if c.After, err = edit.Put(c.Before, path, to); err != nil {
		return nil, fmt.Errorf("%s: %w", c.File, err)
	}
	return c, nil
}

// listed is a release's place in environment.yaml, and how many patches it has there.
func listed(raw []byte, name string) (at, patches int, err error) {
	var doc struct {
		Spec struct {
			Releases []struct {
				Name    string `json:"name"`
				Patches []any  `json:"patches"`
			} `json:"releases"`
		} `json:"spec"`
	}
	if err := sigsyaml.Unmarshal(raw, &doc); err != nil {
		return 0, 0, err
	}
	for i, r := range doc.Spec.Releases {
		if r.Name == name {
			return i, len(r.Patches), nil
		}
	}
	return 0, 0, fmt.Errorf("release %s is not listed", name)
}

// operation is one of JSON 6902, with its fields in the order in which people write them.
type operation struct {
	Op    string `yaml:"op"`
	Path  string `yaml:"path"`
	Value *any   `yaml:"value,omitempty"`
}

// operations are a patch's text. Elements that have names are held to them: a chart that
// changes their order has the patch fail instead of another element changed.
func operations(rest []difference) (string, error) {
	var tests, sets, removals, additions []operation
	for _, d := range rest {
		if len(d.steps) == 0 {
			return "", errors.New("the object as a whole is another one")
		}
		for i := 0; i+1 < len(d.named); i += 2 {
			steps, _ := d.named[i].([]any)
			test := operation{"test", pointer(steps), &d.named[i+1]}
			if !slices.ContainsFunc(tests, func(o operation) bool { return o.Path == test.Path }) {
				tests = append(tests, test)
			}
		}
		switch {
		case d.gone:
			removals = append(removals, operation{"remove", pointer(d.steps), nil})
		case d.added:
			at := slices.Clone(d.steps)
			if d.element {
				at[len(at)-1] = d.place
			}
			additions = append(additions, operation{"add", pointer(at), &d.to})
		default:
			sets = append(sets, operation{"replace", pointer(d.steps), &d.to})
		}
	}
	slices.Reverse(removals) // the last elements of a list first
	var raw bytes.Buffer
	e := yaml.NewEncoder(&raw)
	e.SetIndent(2)
	if err := e.Encode(slices.Concat(tests, sets, removals, additions)); err != nil {
		return "", err
	}
	return raw.String(), e.Close()
}

var escapes = strings.NewReplacer("~", "~0", "/", "~1")

func pointer(steps []any) string {
	var b strings.Builder
	for _, s := range steps {
		b.WriteString("/" + escapes.Replace(fmt.Sprint(s)))
	}
	return b.String()
}
