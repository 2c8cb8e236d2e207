package kube

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/xetys/tether/render/manifest"
)

var terminated = regexp.MustCompile(`namespace (\S+) is being terminated`)

// WithHolders adds to an error about a namespace that is being deleted what delays its
// deletion; any other error is returned as it is.
func (c *Connection) WithHolders(ctx context.Context, err error) error {
	cause, ok := apierrors.StatusCause(err, corev1.NamespaceTerminatingCause)
	if !ok {
		return err
	}
	m := terminated.FindStringSubmatch(cause.Message)
	if m == nil {
		return err
	}
	live, failed := c.client.Read(ctx, namespaceOf(m[1]))
	if failed != nil || live == nil {
		return err
	}
	holders := holdersOf(live)
	if len(holders) == 0 {
		return err
	}
	return &heldNamespaceError{error: err, text: fmt.Sprintf("namespace %s is being deleted, which something holds: %s", m[1], strings.Join(holders, "; "))}
}

// holdersOf returns what a namespace's controller says of why it is still there.
func holdersOf(namespace *unstructured.Unstructured) []string {
	var out []string
	conditions, _, _ := unstructured.NestedSlice(namespace.Object, "status", "conditions")
	for _, raw := range conditions {
		cond := manifest.AsMap(raw)
		if text, ok := cond["message"].(string); ok && cond["status"] == string(corev1.ConditionTrue) {
			out = append(out, text)
		}
	}
	return out
}

// heldNamespaceError says what keeps a namespace from going.
type heldNamespaceError struct {
	error
	text string
}

// Error is the API server's answer, and then what delays the deletion.
func (e *heldNamespaceError) Error() string {
	var told *heldNamespaceError
	if errors.As(e.error, &told) {
		return e.error.Error()
	}
	return e.error.Error() + ": " + e.text
}

// Unwrap returns the API server's answer.
func (e *heldNamespaceError) Unwrap() error { return e.error }
