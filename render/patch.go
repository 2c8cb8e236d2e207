package render

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	//lint:ignore SA1019 there is no other way to kustomize's own patches than a whole kustomization on a file system
	"sigs.k8s.io/kustomize/api/builtins"
	"sigs.k8s.io/kustomize/api/provider"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/resid"

	"github.com/xetys/tether/render/manifest"
)

// PatchSpec is a change to what a chart renders: a strategic merge or a JSON 6902
// patch, with the meaning that it has in a kustomization.
type PatchSpec struct {
	// Target selects the objects; its names and kinds are regular expressions.
	Target targetDocument `json:"target"`
	Patch  string         `json:"patch"`

	line int
}

type patchDocument struct {
	Target *targetDocument `yaml:"target"`
	Patch  string          `yaml:"patch"`
}

type targetDocument struct {
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
func (t targetDocument) bounded() error {
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

func (t targetDocument) selector() types.Selector {
	id := resid.ResId{Gvk: resid.Gvk{Group: t.Group, Version: t.Version, Kind: t.Kind}, Name: t.Name, Namespace: t.Namespace}
	return types.Selector{ResId: id, LabelSelector: t.LabelSelector, AnnotationSelector: t.AnnotationSelector}
}

func (l *checker) patches(release int, docs []patchDocument) []PatchSpec {
	var out []PatchSpec
	if len(docs) > maxPatches {
		l.refuse(l.line("spec", "releases", release, "patches"), "the release has %d patches, more than %d: change the chart instead", len(docs), maxPatches)
		return nil
	}
	for i, d := range docs {
		at := func(field string) int { return l.line("spec", "releases", release, "patches", i, field) }
		p := PatchSpec{Patch: strings.TrimSpace(d.Patch), line: at("patch")}
		if d.Target != nil {
			p.Target = *d.Target
		}
		if err := p.check(d.Target != nil); err != nil {
			l.refuse(p.line, "a patch: %v", err)
			continue
		}
		out = append(out, p)
	}
	return out
}

// check completes a patch's target, and says what is wrong with it.
func (p *PatchSpec) check(targeted bool) error {
	if p.Patch == "" {
		return errors.New("it has no text: write a strategic merge patch or a list of JSON 6902 operations under patch")
	}
	var one, second any
	documents := yaml.NewDecoder(strings.NewReader(p.Patch))
	if err := documents.Decode(&one); err != nil {
		return fmt.Errorf("it is not YAML: %w", err)
	}
	if documents.Decode(&second) == nil {
		return errors.New("it holds more than one document: make a patch of each")
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
	if p.Target == (targetDocument{}) {
		return errors.New("its target selects nothing in particular: name a kind at least")
	}
	_, err := p.change()
	return err
}

// merges checks a strategic merge patch: without a target it is about the object
// that it names.
func (p *PatchSpec) merges(patch map[string]any, targeted bool) error {
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
	p.Target = targetDocument{Group: regexp.QuoteMeta(gvk.Group), Version: regexp.QuoteMeta(gvk.Version), Kind: regexp.QuoteMeta(kind),
		Name: regexp.QuoteMeta(name), Namespace: regexp.QuoteMeta(namespace)}
	return nil
}

// operations checks JSON 6902 operations, which the library only does when it comes
// to them.
func operations(list []any) error {
	if len(list) == 0 {
		return errors.New("it has no operations")
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

// resources makes kustomize's objects; it is safe for concurrent use.
var resources = resmap.NewFactory(provider.NewDefaultDepProvider().GetResourceFactory())

// change is what a patch makes of an object, given as JSON and as kustomize has it;
// nothing of one that it deletes.
type change func(raw []byte, rm resmap.ResMap) ([]byte, error)

// change returns what the patch does. Operations are carried out on the object as it is
// written, by the library that kustomize has for them: kustomize itself reads what comes
// out as floating-point numbers, and so changes large integers that no operation names.
func (p *PatchSpec) change() (change, error) {
	if strings.HasPrefix(p.Patch, "[") {
		operations, err := jsonpatch.DecodePatch([]byte(p.Patch))
		if err != nil {
			return nil, fmt.Errorf("it can't be read as JSON 6902 operations: %w", err)
		}
		return func(raw []byte, _ resmap.ResMap) ([]byte, error) { return operations.Apply(raw) }, nil
	}
	transformer, err := p.transformer()
	if err != nil {
		return nil, err
	}
	return func(_ []byte, rm resmap.ResMap) ([]byte, error) {
		if err := transformer.Transform(rm); err != nil {
			return nil, err
		}
		rm.RemoveBuildAnnotations()
		if rm.Size() == 0 {
			return nil, nil
		}
		return rm.Resources()[0].MarshalJSON()
	}, nil
}

// transformer is kustomize's own strategic merge.
func (p *PatchSpec) transformer() (*builtins.PatchTransformerPlugin, error) {
	selector := p.Target.selector()
	raw, err := json.Marshal(types.Patch{Patch: p.Patch, Target: &selector})
	if err != nil {
		return nil, err
	}
	out := &builtins.PatchTransformerPlugin{}
	if err := out.Config(resmap.NewPluginHelpers(nil, nil, resources, nil), raw); err != nil {
		return nil, errors.New("kustomize can't read it as a strategic merge patch")
	}
	return out, nil
}

// patch applies the release's patches, one after the other, to its objects and
// hooks; not to CRDs of crds/, which belong to no release. One that matches nothing
// is refused: it would be forgotten when the chart changes.
func (p *Prepared) patch(rel *manifest.Release) error {
	if len(p.spec.Patches) == 0 {
		return nil
	}
	for _, spec := range p.spec.Patches {
		if err := spec.apply(rel); err != nil {
			return fmt.Errorf("%s:%d: %w", p.spec.file, spec.line, err)
		}
	}
	var b strings.Builder
	for _, o := range rel.Objects {
		raw, err := yamlOf(o)
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "---\n# Source: %s\n%s", o.Source, raw)
	}
	rel.Manifest = b.String()
	return nil
}

func (p *PatchSpec) apply(rel *manifest.Release) error {
	change, err := p.change()
	if err != nil {
		return err
	}
	matched := 0
	one := func(o manifest.Object) (*manifest.Object, bool, error) {
		out, hit, err := p.one(change, o)
		if err != nil {
			return nil, false, fmt.Errorf("the patch of %s fails: %w", o.ID(), err)
		}
		if hit {
			matched++
		}
		return out, hit, nil
	}
	objects, hooks := []manifest.Object{}, []manifest.Hook{}
	for _, o := range rel.Objects {
		out, _, err := one(o)
		if err != nil {
			return err
		}
		if out != nil {
			objects = append(objects, *out)
		}
	}
	for _, h := range rel.Hooks {
		out, hit, err := one(h.Object)
		if err != nil {
			return err
		}
		if out == nil {
			continue
		}
		if h.Object = *out; hit {
			raw, err := yamlOf(*out)
			if err != nil {
				return err
			}
			h.Text = string(raw)
		}
		hooks = append(hooks, h)
	}
	if matched == 0 {
		return errors.New("the patch matches no object of the release: correct its target, or remove it")
	}
	rel.Objects, rel.Hooks = objects, hooks
	return nil
}

// one applies the patch to one object, if it is about that; nil is left of one that
// the patch deletes.
func (p *PatchSpec) one(change change, o manifest.Object) (*manifest.Object, bool, error) {
	raw, err := o.MarshalJSON()
	if err != nil {
		return nil, false, err
	}
	rm, err := resources.NewResMapFromBytes(raw)
	if err != nil {
		return nil, false, err
	}
	selected, err := rm.Select(p.Target.selector())
	if err != nil || len(selected) == 0 {
		return &o, false, err
	}
	if raw, err = change(raw, rm); err != nil || raw == nil {
		return nil, true, err
	}
	u := &unstructured.Unstructured{}
	if err := u.UnmarshalJSON(raw); err != nil {
		return nil, true, err
	}
	out := manifest.Object{Unstructured: u, Source: o.Source}
	if out.ID() != o.ID() {
		return nil, true, fmt.Errorf("it makes %s of it: a patch may not change kind, name or namespace", out.ID())
	}
	return &out, true, nil
}
