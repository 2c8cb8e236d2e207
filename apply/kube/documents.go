package kube

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	coreinformers "k8s.io/client-go/informers/core/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/cache"

	"github.com/xetys/tether/apply/apierror"
	"github.com/xetys/tether/apply/ownership"
)

// Document is a piece of text that the agent keeps in the cluster for itself and
// for people, in a ConfigMap. Version is the server's, empty for one that does
// not exist; a write with an old one fails.
type Document struct {
	Namespace, Name string
	Key             string // of the text in the ConfigMap
	Text            string
	Version         string
	UID             string
	// Anybody says that it may be written by a process that does not lead.
	Anybody bool
}

// Documents are what the agent keeps for itself in a cluster, for one environment. They are
// safe for concurrent use.
type Documents struct {
	client      *Client
	environment string
}

// NewDocuments returns the documents of an environment.
func NewDocuments(client *Client, environment string) *Documents {
	return &Documents{client: client, environment: environment}
}

// DocumentTooLargeError says that a document does not fit into a ConfigMap.
type DocumentTooLargeError struct {
	Namespace, Name string
	Size, Limit     int // in bytes
}

// Error says how large the document is, and how large it may be.
func (e *DocumentTooLargeError) Error() string {
	return fmt.Sprintf("write ConfigMap %s/%s: it would hold %d bytes, and may hold %d", e.Namespace, e.Name, e.Size, e.Limit)
}

// maxDocument is what the API server takes of a ConfigMap's data.
const maxDocument = corev1.MaxSecretSize

// NamespaceUID is the server's name for a namespace, which no namespace of another cluster has.
func (s *Documents) NamespaceUID(ctx context.Context, name string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, RequestTimeout)
	defer cancel()
	ns, err := s.client.own.typed.CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return "", fmt.Errorf("read namespace %s: %w", name, err)
	}
	return string(ns.UID), nil
}

// ReadDocument reads a document that is named by Namespace, Name and Key; one that
// does not exist is empty.
func (s *Documents) ReadDocument(ctx context.Context, d Document) (Document, error) {
	d.Text, d.Version, d.UID = "", "", ""
	ctx, cancel := context.WithTimeout(ctx, RequestTimeout)
	defer cancel()
	cm, err := s.client.own.typed.CoreV1().ConfigMaps(d.Namespace).Get(ctx, d.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return d, nil
	}
	if err != nil {
		return d, fmt.Errorf("read ConfigMap %s/%s: %w", d.Namespace, d.Name, err)
	}
	d.Text, d.Version, d.UID = textOf(cm, d.Key), cm.ResourceVersion, string(cm.UID)
	return d, nil
}

// WriteDocument stores a document and returns it with its new version. The
// namespace is created if it does not exist, and so is a document that was deleted since
// it was read.
func (s *Documents) WriteDocument(ctx context.Context, d Document) (Document, error) {
	if size := len(d.Text); size > maxDocument {
		return d, &DocumentTooLargeError{Namespace: d.Namespace, Name: d.Name, Size: size, Limit: maxDocument}
	}
	ctx, cancel := context.WithTimeout(ctx, RequestTimeout)
	defer cancel()
	var cm *corev1.ConfigMap
	var err error
	maps := s.documents(d)
	if d.Version != "" {
		cm, err = maps.Update(ctx, s.documentMap(d), metav1.UpdateOptions{FieldManager: ownership.FieldManager})
	}
	if d.Version == "" || apierrors.IsNotFound(err) {
		d.Version = ""
		cm, err = maps.Create(ctx, s.documentMap(d), metav1.CreateOptions{FieldManager: ownership.FieldManager})
		if apierror.NamespaceMissing(err, d.Namespace) {
			if err = s.EnsureHome(ctx, d.Namespace); err == nil {
				cm, err = maps.Create(ctx, s.documentMap(d), metav1.CreateOptions{FieldManager: ownership.FieldManager})
			}
		}
	}
	if err != nil {
		return d, fmt.Errorf("write ConfigMap %s/%s: %w", d.Namespace, d.Name, err)
	}
	d.Version, d.UID = cm.ResourceVersion, string(cm.UID)
	return d, nil
}

// textOf is a document's text. What is not UTF-8 lies beside the texts of a ConfigMap.
func textOf(cm *corev1.ConfigMap, key string) string {
	if text, ok := cm.Data[key]; ok {
		return text
	}
	return string(cm.BinaryData[key])
}

// documents is where a document is written.
func (s *Documents) documents(d Document) corev1client.ConfigMapInterface {
	kube := s.client.own.typed
	if d.Anybody {
		kube = s.client.own.unfenced
	}
	return kube.CoreV1().ConfigMaps(d.Namespace)
}

func (s *Documents) documentMap(d Document) *corev1.ConfigMap {
	cm := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: d.Namespace, Name: d.Name, ResourceVersion: d.Version,
			Labels: map[string]string{ownership.LabelManagedBy: ownership.FieldManager, ownership.Group + "/ledger": s.environment},
		},
	}
	if utf8.ValidString(d.Text) {
		cm.Data = map[string]string{d.Key: d.Text}
	} else {
		cm.BinaryData = map[string][]byte{d.Key: []byte(d.Text)}
	}
	return cm
}

// WatchDocument calls changed with a document's text, first as it is and then whenever it
// changes, until ctx ends; the text of a deleted document is empty. It returns at once.
func (s *Documents) WatchDocument(ctx context.Context, d Document, changed func(text string)) error {
	informer := coreinformers.NewFilteredConfigMapInformer(s.client.own.typed, d.Namespace, 0, cache.Indexers{}, func(o *metav1.ListOptions) {
		o.FieldSelector = fields.OneTermEqualSelector("metadata.name", d.Name).String()
	})
	tell := func(o any) {
		if cm, ok := o.(*corev1.ConfigMap); ok {
			changed(textOf(cm, d.Key))
		}
	}
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    tell,
		UpdateFunc: func(_, o any) { tell(o) },
		DeleteFunc: func(any) { changed("") },
	})
	if err != nil {
		return fmt.Errorf("watch ConfigMap %s/%s: %w", d.Namespace, d.Name, err)
	}
	go informer.RunWithContext(ctx)
	return nil
}

// Emit writes an event about a document, for who watches the cluster's events.
// kind is Normal or Warning; reason is one CamelCase word. A name, if given, is added to
// the document's own: the same event again is not written twice, and created is false.
func (s *Documents) Emit(ctx context.Context, about Document, name, kind, reason, message string, now time.Time) (created bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, RequestTimeout)
	defer cancel()
	const longest = 1024 // the API's bound on a message
	if len(message) > longest {
		message = strings.ToValidUTF8(message[:longest-3], "") + "..."
	}
	e := &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{Namespace: about.Namespace, GenerateName: about.Name + "."},
		InvolvedObject: corev1.ObjectReference{
			APIVersion: "v1", Kind: "ConfigMap", Namespace: about.Namespace, Name: about.Name,
			UID: types.UID(about.UID),
		},
		Reason: reason, Message: message, Type: kind, Count: 1,
		FirstTimestamp: metav1.NewTime(now), LastTimestamp: metav1.NewTime(now),
		Source: corev1.EventSource{Component: ownership.FieldManager},
	}
	if name != "" {
		e.GenerateName, e.Name = "", about.Name+"."+name
	}
	_, err = s.client.own.typed.CoreV1().Events(about.Namespace).Create(ctx, e, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("write an event about %s/%s: %w", about.Namespace, about.Name, err)
	}
	return true, nil
}

// EnsureHome creates the namespace in which the agent keeps its documents, if it does not
// exist. Any replica may do that.
func (s *Documents) EnsureHome(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, RequestTimeout)
	defer cancel()
	spaces := s.client.own.unfenced.CoreV1().Namespaces()
	_, err := spaces.Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		_, err = spaces.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{FieldManager: ownership.FieldManager})
	}
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("make sure that namespace %s exists: %w", name, err)
	}
	return nil
}

// ListDocuments reads the documents of a namespace that have a key, whatever environment
// they are of, sorted by name.
func (s *Documents) ListDocuments(ctx context.Context, namespace, key string) ([]Document, error) {
	ctx, cancel := context.WithTimeout(ctx, RequestTimeout)
	defer cancel()
	maps, err := s.client.own.typed.CoreV1().ConfigMaps(namespace).List(ctx, metav1.ListOptions{LabelSelector: ownership.Group + "/ledger"})
	if err != nil {
		return nil, fmt.Errorf("list the ConfigMaps of namespace %s: %w", namespace, err)
	}
	var out []Document
	for _, cm := range maps.Items {
		_, text := cm.Data[key]
		if _, raw := cm.BinaryData[key]; text || raw {
			out = append(out, Document{Namespace: namespace, Name: cm.Name, Key: key, Text: textOf(&cm, key), Version: cm.ResourceVersion, UID: string(cm.UID)})
		}
	}
	slices.SortFunc(out, func(a, b Document) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}
