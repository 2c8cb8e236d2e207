package manifest

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
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
// and for kinds that it does not know, CRDs of the manifest itself and WellKnown
// decide. Objects that leave their name to the API server (generateName) get one
// after their content. Fields that are explicitly null are not set.
func Parse(text, namespace string, scope Scope) ([]Object, error) {
	documents, err := Documents(text)
	if err != nil {
		return nil, err
	}
	return Objects(documents, namespace, scope)
}

// Documents reads the documents of a manifest, those without content left out.
func Documents(text string) ([]Document, error) { return DocumentsOf("", text) }

// DocumentsOf reads the documents of a file. Those that don't say in a "# Source:" line
// where they come from come from the file.
func DocumentsOf(file, text string) ([]Document, error) {
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
		source := cmp.Or(sourceOf(doc), file)
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
	twins := map[string]int{}
	for _, d := range documents {
		objects, err := d.objects()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", d.Source, err)
		}
		for _, u := range objects {
			if u.GetKind() == "" || u.GetAPIVersion() == "" {
				return nil, fmt.Errorf("%s: an object has no kind or no apiVersion", d.Source)
			}
			if err := generate(u, twins); err != nil {
				return nil, fmt.Errorf("%s: %w", d.Source, err)
			}
			unset(u) // after it has its name, which is one of its content as it is written
			out = append(out, Object{Unstructured: u, Source: d.Source})
		}
	}
	scope = Define(out).Scope(scope)
	for _, o := range out {
		place(o.Unstructured, namespace, scope)
	}
	return out, nil
}

// maxPrefix is how much of generateName the API server keeps before its own
// five letters.
const maxPrefix = 58

// generate names an object that leaves it to the API server. The name follows from
// the content: an object that stays as it is keeps its name, so that it is found
// again, and one that changes becomes another. twins counts those that are the same.
func generate(u *unstructured.Unstructured, twins map[string]int) error {
	if u.GetName() != "" {
		return nil
	}
	prefix := u.GetGenerateName()
	if prefix == "" {
		return fmt.Errorf("%s has no metadata.name, and no generateName either", u.GetKind())
	}
	raw, err := json.Marshal(u.Object) // keys are sorted
	if err != nil {
		return fmt.Errorf("name %s %s: %w", u.GetKind(), prefix, err)
	}
	sum := sha256.Sum256(fmt.Appendf(raw, "%d", twins[string(raw)]))
	twins[string(raw)]++
	u.SetName(prefix[:min(len(prefix), maxPrefix)] + hex.EncodeToString(sum[:])[:5])
	u.SetGenerateName("")
	return nil
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
	namespaced, known := scope(u.GroupVersionKind())
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
