package apply

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"

	"github.com/xetys/tether/apply/ownership"
	"github.com/xetys/tether/render/manifest"
)

// Name is how people read an object's identity everywhere.
func Name(u *unstructured.Unstructured) string { return manifest.IDOf(u).String() }

// HealthOfNamed asks the server for one object of the environment, named as people
// write it, and judges it.
func (c *Cluster) HealthOfNamed(ctx context.Context, name string) (Health, error) {
	kind, namespace, object, err := parseName(name)
	if err != nil {
		return Health{}, err
	}
	m, err := c.KindNamed(kind)
	if err != nil {
		return Health{}, err
	}
	id := manifest.ID{Group: m.GroupVersionKind.Group, Kind: m.GroupVersionKind.Kind, Namespace: namespace, Name: object}
	var of dynamic.ResourceInterface = c.Dynamic.Resource(m.Resource)
	if namespace != "" && m.Scope.Name() == meta.RESTScopeNameNamespace {
		of = c.Dynamic.Resource(m.Resource).Namespace(namespace)
	}
	list, err := of.List(ctx, metav1.ListOptions{LabelSelector: ownership.LabelEnvironment + "=" + c.Environment, FieldSelector: "metadata.name=" + object})
	if err != nil {
		return Health{}, fmt.Errorf("look for %s: %w", id, err)
	}
	switch len(list.Items) {
	case 0:
		return Health{}, fmt.Errorf("environment %s has no %s in the cluster", c.Environment, id)
	case 1:
		return c.healthBy(manifest.IDOf(&list.Items[0]), &list.Items[0]), nil
	}
	var all []string
	for i := range list.Items {
		all = append(all, Name(&list.Items[i]))
	}
	slices.Sort(all)
	return Health{}, fmt.Errorf("%s is the name of several objects: say which, of %s", name, strings.Join(all, ", "))
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
