package manifest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// Scope reports whether objects of a kind live in namespaces; known is false for
// a kind that it has never heard of.
type Scope func(schema.GroupVersionKind) (namespaced, known bool)

// Document is one document of a manifest that has content.
type Document struct {
	// Source is the template that it comes from.
	Source string
	JSON   []byte
}

// Parse reads the objects of a manifest as Helm renders and records it: YAML
// documents, each led by its "# Source:" line. Lists are expanded, documents
// without content dropped. Objects that live in namespaces and name none get the
// given one, and those that don't live in one lose theirs. scope may be nil; then,
// and for kinds that it does not know, WellKnown decides.
func Parse(text, namespace string, scope Scope) ([]Object, error) {
	documents, err := Documents(text)
	if err != nil {
		return nil, err
	}
	return Objects(documents, namespace, scope)
}

// Documents reads the documents of a manifest, those without content left out.
func Documents(text string) ([]Document, error) {
	var out []Document
	reader := utilyaml.NewYAMLReader(bufio.NewReader(strings.NewReader(text)))
	for {
		doc, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read the manifest: %w", err)
		}
		source := sourceOf(doc)
		raw, err := yaml.YAMLToJSON(doc)
		if err != nil {
			return nil, fmt.Errorf("%s: not valid YAML: %w", source, err)
		}
		if s := string(raw); s != "null" && s != "{}" {
			out = append(out, Document{source, raw})
		}
	}
}

// Objects reads the objects of documents, as Parse does.
func Objects(documents []Document, namespace string, scope Scope) ([]Object, error) {
	var out []Object
	for _, d := range documents {
		objects, err := d.objects()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", d.Source, err)
		}
		for _, u := range objects {
			if u.GetKind() == "" || u.GetAPIVersion() == "" {
				return nil, fmt.Errorf("%s: an object has no kind or no apiVersion", d.Source)
			}
			if u.GetName() == "" {
				return nil, fmt.Errorf("%s: %s has no metadata.name; an object that a release keeps needs one (generateName does not do)", d.Source, u.GetKind())
			}
			place(u, namespace, scope)
			out = append(out, Object{Unstructured: u, Source: d.Source})
		}
	}
	return out, nil
}

func sourceOf(doc []byte) string {
	for line := range bytes.Lines(doc) {
		if rest, ok := bytes.CutPrefix(line, []byte("# Source: ")); ok {
			return string(bytes.TrimSpace(rest))
		}
	}
	return ""
}

func (d Document) objects() ([]*unstructured.Unstructured, error) {
	o, _, err := unstructured.UnstructuredJSONScheme.Decode(d.JSON, nil, nil)
	if err != nil {
		return nil, fmt.Errorf("not a Kubernetes object: %w", err)
	}
	switch o := o.(type) {
	case *unstructured.Unstructured:
		return []*unstructured.Unstructured{o}, nil
	case *unstructured.UnstructuredList:
		var out []*unstructured.Unstructured
		for i := range o.Items {
			out = append(out, &o.Items[i])
		}
		return out, nil
	}
	return nil, fmt.Errorf("not a Kubernetes object: %T", o)
}

// place gives an object its namespace, or takes one that it can't have.
func place(u *unstructured.Unstructured, namespace string, scope Scope) {
	namespaced, known := false, false
	if scope != nil {
		namespaced, known = scope(u.GroupVersionKind())
	}
	if !known {
		namespaced = !clusterScoped[u.GroupVersionKind().GroupKind()]
	}
	switch {
	case namespaced && u.GetNamespace() == "":
		u.SetNamespace(namespace)
	case !namespaced && u.GetNamespace() != "":
		u.SetNamespace("")
	}
}

// clusterScoped are the well-known kinds that don't live in a namespace, for who
// has no cluster to ask.
var clusterScoped = map[schema.GroupKind]bool{
	{Kind: "Namespace"}: true, {Kind: "Node"}: true, {Kind: "PersistentVolume"}: true,
	{Group: "rbac.authorization.k8s.io", Kind: "ClusterRole"}:                         true,
	{Group: "rbac.authorization.k8s.io", Kind: "ClusterRoleBinding"}:                  true,
	{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"}:                 true,
	{Group: "storage.k8s.io", Kind: "StorageClass"}:                                   true,
	{Group: "storage.k8s.io", Kind: "CSIDriver"}:                                      true,
	{Group: "scheduling.k8s.io", Kind: "PriorityClass"}:                               true,
	{Group: "networking.k8s.io", Kind: "IngressClass"}:                                true,
	{Group: "gateway.networking.k8s.io", Kind: "GatewayClass"}:                        true,
	{Group: "apiregistration.k8s.io", Kind: "APIService"}:                             true,
	{Group: "node.k8s.io", Kind: "RuntimeClass"}:                                      true,
	{Group: "certificates.k8s.io", Kind: "CertificateSigningRequest"}:                 true,
	{Group: "cert-manager.io", Kind: "ClusterIssuer"}:                                 true,
	{Group: "admissionregistration.k8s.io", Kind: "MutatingWebhookConfiguration"}:     true,
	{Group: "admissionregistration.k8s.io", Kind: "ValidatingWebhookConfiguration"}:   true,
	{Group: "admissionregistration.k8s.io", Kind: "ValidatingAdmissionPolicy"}:        true,
	{Group: "admissionregistration.k8s.io", Kind: "ValidatingAdmissionPolicyBinding"}: true,
}
