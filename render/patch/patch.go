// Package patch applies patches to objects: strategic merges and JSON 6902 operations, with the
// meaning that they have in a kustomization.
//
// It does not know releases, environments or Helm: objects are given and returned as JSON. It
// limits the size of the result, since a patch can copy what it copied, but not the memory for
// it on the way: the caller runs it in a process that can be killed.
package patch

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/resid"

	"github.com/xetys/tether/render/yamldoc"
)

const (
	maxPattern    = 256  // bytes of a regular expression in a target
	maxOperations = 1000 // of JSON 6902, in one patch
)

// Patch is a change to what a chart renders.
type Patch struct {
	// Target selects the objects; its names and kinds are regular expressions.
	Target Target `json:"target"`
	// Patch is the text of a strategic merge, or the JSON of a list of operations.
	Patch string `json:"patch"`
}

// Target says which objects a patch is about.
type Target struct {
	Group              string `yaml:"group" json:"group,omitempty"`
	Version            string `yaml:"version" json:"version,omitempty"`
	Kind               string `yaml:"kind" json:"kind,omitempty"`
	Name               string `yaml:"name" json:"name,omitempty"`
	Namespace          string `yaml:"namespace" json:"namespace,omitempty"`
	LabelSelector      string `yaml:"labelSelector" json:"labelSelector,omitempty"`
	AnnotationSelector string `yaml:"annotationSelector" json:"annotationSelector,omitempty"`
}

// bounded refuses regular expressions that take much memory to compile: a counted
// repetition is written out by the library.
func (t Target) bounded() error {
	for _, pattern := range []string{t.Group, t.Version, t.Kind, t.Name, t.Namespace} {
		if len(pattern) > maxPattern {
			return fmt.Errorf("a pattern of its target has more than %d characters: use a shorter one", maxPattern)
		}
		if strings.ContainsAny(pattern, "{}") {
			return fmt.Errorf("the pattern %q of its target has a counted repetition, which is not taken: write it out, or use * and +", pattern)
		}
	}
	return nil
}

func (t Target) selector() types.Selector {
	id := resid.ResId{Gvk: resid.Gvk{Group: t.Group, Version: t.Version, Kind: t.Kind}, Name: t.Name, Namespace: t.Namespace}
	return types.Selector{ResId: id, LabelSelector: t.LabelSelector, AnnotationSelector: t.AnnotationSelector}
}

// Complete completes a patch's target, and says what is wrong with it. targeted says
// whether it was given one.
func (p *Patch) Complete(targeted bool) error {
	if p.Patch == "" {
		return errors.New("it has no text: write a strategic merge patch or a list of JSON 6902 operations under patch")
	}
	one, err := read(p.Patch)
	if err != nil {
		return err
	}
	switch one := one.(type) {
	case []any:
		if err := operations(one); err != nil {
			return err
		}
		if !targeted {
			return errors.New("a JSON 6902 patch needs a target")
		}
		raw, err := json.Marshal(one) // kustomize takes a list that begins with [ for JSON
		if err != nil {
			return err
		}
		p.Patch = string(raw)
	case map[string]any:
		if err := p.merges(one, targeted); err != nil {
			return err
		}
	default:
		return errors.New("it is neither an object nor a list of operations")
	}
	if err := p.Target.bounded(); err != nil {
		return err
	}
	selector := p.Target.selector()
	if _, err := types.NewSelectorRegex(&selector); err != nil {
		return fmt.Errorf("its target: %w", err)
	}
	if p.Target == (Target{}) {
		return errors.New("its target selects nothing in particular: name a kind at least")
	}
	_, err = p.change()
	return err
}

// read reads the one document of a patch.
func read(text string) (any, error) {
	var limit *yamldoc.LimitError
	var second *yamldoc.SecondError
	root, err := yamldoc.Small.ParseOne([]byte(text))
	switch {
	case errors.As(err, &limit):
		return nil, limit
	case errors.As(err, &second):
		return nil, errors.New("it holds more than one document: make a patch of each")
	case err != nil:
		return nil, fmt.Errorf("it is not YAML: %w", err)
	}
	var one any
	if err := root.Decode(&one); err != nil {
		return nil, fmt.Errorf("it is not YAML: %w", err)
	}
	return one, nil
}

// merges checks a strategic merge patch: without a target it is about the object
// that it names.
func (p *Patch) merges(patch map[string]any, targeted bool) error {
	u := unstructured.Unstructured{Object: patch}
	meta, _ := patch["metadata"].(map[string]any)
	name, _ := meta["name"].(string)
	kind, _ := patch["kind"].(string)
	version, _ := patch["apiVersion"].(string)
	switch {
	case kind == "" || name == "":
		return errors.New("a strategic merge patch needs kind and metadata.name; with a target they may be anything")
	case targeted:
		return nil
	case version == "":
		return errors.New("without a target it needs the apiVersion, kind and metadata.name of the object that it is about")
	}
	gvk := u.GroupVersionKind()
	namespace, _ := meta["namespace"].(string)
	p.Target = Target{Group: regexp.QuoteMeta(gvk.Group), Version: regexp.QuoteMeta(gvk.Version), Kind: regexp.QuoteMeta(kind),
		Name: regexp.QuoteMeta(name), Namespace: regexp.QuoteMeta(namespace)}
	return nil
}

// operations checks JSON 6902 operations, which the library only does when it comes
// to them.
func operations(list []any) error {
	if len(list) == 0 {
		return errors.New("it has no operations")
	}
	if len(list) > maxOperations {
		return fmt.Errorf("it has %d operations, more than %d: use a strategic merge, or change the chart instead", len(list), maxOperations)
	}
	for i, e := range list {
		op, _ := e.(map[string]any)
		name, _ := op["op"].(string)
		_, value := op["value"]
		from, _ := op["from"].(string)
		path, isPath := op["path"].(string)
		switch {
		case !isPath || path != "" && !strings.HasPrefix(path, "/"):
			return fmt.Errorf("operation %d: path is no JSON pointer, like /spec/replicas", i+1)
		case slices.Contains([]string{"add", "replace", "test"}, name):
			if !value {
				return fmt.Errorf("operation %d: %s needs a value", i+1, name)
			}
		case slices.Contains([]string{"move", "copy"}, name):
			if !strings.HasPrefix(from, "/") {
				return fmt.Errorf("operation %d: %s needs from, a JSON pointer", i+1, name)
			}
		case name != "remove":
			return fmt.Errorf("operation %d: op is %q: use add, remove, replace, move, copy or test", i+1, name)
		}
	}
	return nil
}
