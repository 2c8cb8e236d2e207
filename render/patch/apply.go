package patch

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	//lint:ignore SA1019 there is no other way to kustomize's own patches than a whole kustomization on a file system
	"sigs.k8s.io/kustomize/api/builtins"
	"sigs.k8s.io/kustomize/api/provider"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/api/types"

	"github.com/xetys/tether/render/manifest"
	"github.com/xetys/tether/render/yamldoc"
)

// The bounds of what patches make: of one object, as no API server takes a larger
// request, and of all objects of a release.
const (
	maxObject  = 3 << 20
	maxObjects = 32 << 20
)

// init bounds what operations copy before it is copied once more: copies of copies double
// with each.
func init() { jsonpatch.AccumulatedCopySizeLimit = maxObject }

// Changed is what became of an object.
type Changed struct {
	// JSON is the object; nothing of one that was deleted.
	JSON []byte
	// Hit says that it is another than it was.
	Hit bool
}

// Error says which patch fails, by its place in the list.
type Error struct {
	At  int
	err error
}

// Error says what is wrong.
func (e *Error) Error() string { return e.err.Error() }

// Unwrap returns the error without the place.
func (e *Error) Unwrap() error { return e.err }

// Apply applies patches, one after the other, to objects. One that matches nothing is
// refused: it would be forgotten when the chart changes.
func Apply(patches []Patch, objects [][]byte) ([]Changed, error) {
	all := &set{}
	for _, raw := range objects {
		o := &object{Changed: Changed{JSON: raw}}
		if err := o.read(); err != nil {
			return nil, err
		}
		all.objects = append(all.objects, o)
		all.size += len(raw)
	}
	for i, p := range patches {
		if err := all.apply(p); err != nil {
			return nil, &Error{i, err}
		}
	}
	out := make([]Changed, len(all.objects))
	for i, o := range all.objects {
		out[i] = o.Changed
	}
	return out, nil
}

// set are the objects of a release.
type set struct {
	objects []*object
	size    int
}

func (s *set) apply(p Patch) error {
	change, err := p.change()
	if err != nil {
		return err
	}
	matched := false
	for _, o := range s.objects {
		if o.JSON == nil {
			continue
		}
		selected, err := o.as.Select(p.Target.selector())
		if err != nil {
			return err
		}
		if len(selected) == 0 {
			continue
		}
		matched = true
		before := len(o.JSON)
		if err := o.change(change); err != nil {
			return fmt.Errorf("the patch of %s fails: %w", o.id, err)
		}
		if s.size += len(o.JSON) - before; s.size > maxObjects {
			return fmt.Errorf("the patch makes the release's objects larger than %d MiB: make it about fewer objects, or split the release", maxObjects>>20)
		}
	}
	if !matched {
		return errors.New("the patch matches no object of the release: correct its target, or remove it")
	}
	return nil
}

// object is one object: as JSON, and as kustomize has it.
type object struct {
	Changed
	id manifest.ID
	as resmap.ResMap
}

// read reads what an object is now.
func (o *object) read() error {
	u := &unstructured.Unstructured{}
	if err := u.UnmarshalJSON(o.JSON); err != nil {
		return err
	}
	id := manifest.Object{Unstructured: u}.ID()
	if o.as != nil && id != o.id {
		return fmt.Errorf("it makes %s of it: a patch may not change kind, name or namespace", id)
	}
	o.id = id
	var err error
	o.as, err = resources.NewResMapFromBytes(o.JSON)
	return err
}

func (o *object) change(change change) error {
	raw, err := change(o.JSON, o.as)
	switch {
	case errors.As(err, new(*jsonpatch.AccumulatedCopySizeError)) || len(raw) > maxObject:
		return fmt.Errorf("it makes more than %d MiB of it, which no API server takes: copy or add less", maxObject>>20)
	case err != nil:
		return err
	}
	o.Hit = true
	if o.JSON = raw; raw == nil {
		return nil
	}
	return o.read()
}

// resources makes kustomize's objects; it is safe for concurrent use.
var resources = resmap.NewFactory(provider.NewDefaultDepProvider().GetResourceFactory())

// change is what a patch makes of an object, given as JSON and as kustomize has it;
// nothing of one that it deletes.
type change func(raw []byte, rm resmap.ResMap) ([]byte, error)

// change returns what the patch does. Operations are carried out on the object as it is
// written, by the library that kustomize has for them: kustomize itself reads what comes
// out as floating-point numbers, and so changes large integers that no operation names.
func (p *Patch) change() (change, error) {
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

// transformer is kustomize's own strategic merge. Aliases are written out for it: it
// does not count them.
func (p *Patch) transformer() (*builtins.PatchTransformerPlugin, error) {
	selector, text := p.Target.selector(), p.Patch
	if yamldoc.Repeats([]byte(text)) {
		plain, err := yamldoc.Small.JSON([]byte(text))
		if err != nil {
			return nil, err
		}
		text = string(plain)
	}
	raw, err := json.Marshal(types.Patch{Patch: text, Target: &selector})
	if err != nil {
		return nil, err
	}
	out := &builtins.PatchTransformerPlugin{}
	if err := out.Config(resmap.NewPluginHelpers(nil, nil, resources, nil), raw); err != nil {
		return nil, errors.New("kustomize can't read it as a strategic merge patch")
	}
	return out, nil
}
