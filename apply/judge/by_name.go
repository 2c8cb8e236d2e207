package judge

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/xetys/tether/apply/ownership"
	"github.com/xetys/tether/render/manifest"
)

// ByName asks the server for one object of the environment, named as people write it, and
// judges it.
func (j *Judge) ByName(ctx context.Context, name string) (Health, error) {
	object, err := j.find(ctx, name, ownership.LabelEnvironment+"="+j.environment)
	if err != nil {
		return Health{}, err
	}
	return j.Object(object), nil
}

// Object judges an object as the server has it, by the environment's rules.
func (j *Judge) Object(object *unstructured.Unstructured) Health {
	return j.object(manifest.IDOf(object), object)
}

// Find asks the server for one object, named as people write it, whoever it belongs to.
func (j *Judge) Find(ctx context.Context, name string) (*unstructured.Unstructured, error) {
	return j.find(ctx, name, "")
}

func (j *Judge) find(ctx context.Context, name, labels string) (*unstructured.Unstructured, error) {
	kind, namespace, object, err := parseName(name)
	if err != nil {
		return nil, err
	}
	m, err := j.client.KindNamed(kind)
	if err != nil {
		return nil, err
	}
	id := manifest.ID{Group: m.GroupVersionKind.Group, Kind: m.GroupVersionKind.Kind, Namespace: namespace, Name: object}
	found, err := j.client.ListNamed(ctx, m, namespace, object, labels)
	if err != nil {
		return nil, fmt.Errorf("look for %s: %w", id, err)
	}
	switch {
	case len(found) == 1:
		return &found[0], nil
	case len(found) == 0 && labels != "":
		return nil, fmt.Errorf("environment %s has no %s in the cluster", j.environment, id)
	case len(found) == 0:
		return nil, fmt.Errorf("there is no %s in the cluster", id)
	}
	var all []string
	for i := range found {
		all = append(all, manifest.IDOf(&found[i]).String())
	}
	slices.Sort(all)
	return nil, fmt.Errorf("%s is the name of several objects: say which, of %s", name, strings.Join(all, ", "))
}

// parseName reads Kind.group namespace/name, and kind/name as kubectl has it.
func parseName(s string) (kind, namespace, name string, err error) {
	kind, rest, spaced := strings.Cut(s, " ")
	parts := strings.Split(rest, "/")
	if !spaced {
		parts = strings.Split(s, "/")
		kind, parts = parts[0], parts[1:]
	}
	switch {
	case kind != "" && len(parts) == 1 && parts[0] != "":
		return kind, "", parts[0], nil
	case kind != "" && len(parts) == 2 && parts[0] != "" && parts[1] != "":
		return kind, parts[0], parts[1], nil
	}
	return "", "", "", fmt.Errorf("object %q: write Kind.group name, Kind.group namespace/name or kind/name, like deployment/web", s)
}
