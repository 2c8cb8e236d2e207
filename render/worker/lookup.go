package worker

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/client-go/dynamic"
)

// asker is what Helm's lookup function takes for a client. It asks who started the
// worker, and reaches no cluster itself.
type asker struct{ ask Lookup }

// GetClientFor implements Helm's engine.ClientProvider. Whether a kind lives in
// namespaces is left to who answers.
func (a asker) GetClientFor(apiVersion, kind string) (dynamic.NamespaceableResourceInterface, bool, error) {
	return asked{ask: a.ask, question: Question{APIVersion: apiVersion, Kind: kind}}, true, nil
}

// asked is one question, as far as it is known. Helm calls Namespace, Get and List,
// and nothing else.
type asked struct {
	dynamic.NamespaceableResourceInterface
	ask      Lookup
	question Question
}

func (a asked) Namespace(ns string) dynamic.ResourceInterface {
	a.question.Namespace = ns
	return a
}

func (a asked) Get(_ context.Context, name string, _ metav1.GetOptions, _ ...string) (*unstructured.Unstructured, error) {
	a.question.Name = name
	content, err := a.answer()
	return &unstructured.Unstructured{Object: content}, err
}

func (a asked) List(context.Context, metav1.ListOptions) (*unstructured.UnstructuredList, error) {
	content, err := a.answer()
	list := &unstructured.UnstructuredList{}
	list.SetUnstructuredContent(content)
	return list, err
}

// answer returns what there is, or the error that Helm takes for nothing.
func (a asked) answer() (map[string]any, error) {
	raw, err := a.ask(a.question)
	if err != nil {
		return nil, err
	}
	if len(raw) == 0 {
		return nil, apierrors.NewNotFound(schema.GroupResource{Resource: a.question.Kind}, a.question.Name)
	}
	content := map[string]any{}
	if err := utiljson.Unmarshal(raw, &content); err != nil {
		return nil, fmt.Errorf("read what was looked up: %w", err)
	}
	return content, nil
}
