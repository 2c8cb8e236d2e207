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
	live, err := liveNamed(ctx, c, name, ownership.LabelEnvironment+"="+c.Environment)
	if err != nil {
		return Health{}, err
	}
	return Judge(c, live), nil
}

// Judge judges an object as the server has it, by the environment's rules.
func Judge(c *Cluster, live *unstructured.Unstructured) Health {
	return c.healthBy(manifest.IDOf(live), live)
}

// Named asks the server for one object, named as people write it, whoever it belongs to.
func Named(ctx context.Context, c *Cluster, name string) (*unstructured.Unstructured, error) {
	return liveNamed(ctx, c, name, "")
}

func liveNamed(ctx context.Context, c *Cluster, name, labels string) (*unstructured.Unstructured, error) {
	kind, namespace, object, err := parseName(name)
	if err != nil {
		return nil, err
	}
	m, err := c.KindNamed(kind)
	if err != nil {
		return nil, err
	}
	id := manifest.ID{Group: m.GroupVersionKind.Group, Kind: m.GroupVersionKind.Kind, Namespace: namespace, Name: object}
	var of dynamic.ResourceInterface = c.Dynamic.Resource(m.Resource)
	if namespace != "" && m.Scope.Name() == meta.RESTScopeNameNamespace {
		of = c.Dynamic.Resource(m.Resource).Namespace(namespace)
	}
	list, err := of.List(ctx, metav1.ListOptions{LabelSelector: labels, FieldSelector: "metadata.name=" + object})
	if err != nil {
		return nil, fmt.Errorf("look for %s: %w", id, err)
	}
	switch {
	case len(list.Items) == 1:
		return &list.Items[0], nil
	case len(list.Items) == 0 && labels != "":
		return nil, fmt.Errorf("environment %s has no %s in the cluster", c.Environment, id)
	case len(list.Items) == 0:
		return nil, fmt.Errorf("there is no %s in the cluster", id)
	}
	var all []string
	for i := range list.Items {
		all = append(all, Name(&list.Items[i]))
	}
	slices.Sort(all)
	return nil, fmt.Errorf("%s is the name of several objects: say which, of %s", name, strings.Join(all, ", "))
}

// OwnerOf says whose an object is that an environment's git does not have.
func OwnerOf(live *unstructured.Unstructured, environment string) string {
	labels, annotations := live.GetLabels(), live.GetAnnotations()
	var makers []string
	for _, m := range live.GetManagedFields() {
		if m.Subresource == "" && !slices.Contains(makers, m.Manager) {
			makers = append(makers, m.Manager)
		}
	}
	of := labels[ownership.LabelEnvironment]
	switch owners := live.GetOwnerReferences(); {
	case len(owners) > 0:
		return fmt.Sprintf("made by %s %s", owners[0].Kind, owners[0].Name)
	case of != "" && of != environment:
		return fmt.Sprintf("release %s of environment %s", annotations[ownership.AnnotRelease], of)
	case of != "":
		return fmt.Sprintf("release %s of this environment applied it; git does not render it now", annotations[ownership.AnnotRelease])
	case annotations[ownership.AnnotRelease] != "":
		return fmt.Sprintf("Helm's release %s/%s", annotations[ownership.AnnotReleaseSpace], annotations[ownership.AnnotRelease])
	case len(makers) > 0:
		return "written by " + strings.Join(makers, ", ")
	}
	return "nobody says that it is theirs"
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
