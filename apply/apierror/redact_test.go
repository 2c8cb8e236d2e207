package apierror

import (
	"errors"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func TestARefusalDoesNotQuoteValues(t *testing.T) {
	const typed = `failed to create typed patch object (a/b; /v1, Kind=X): errors:
  .data.pin: expected string, got &value.valueUnstructured{Value:%}
  .data.other: expected string, got &value.valueUnstructured{Value:map[string]interface {}{"a":"hunter2"}}`
	for _, c := range []struct{ name, kind, message, value, want string }{
		{"a number", "ConfigMap", typed, "4711", ".data.pin: expected string, got a number\n"},
		{"a text", "ConfigMap", typed, `"hunter2"`, ".data.pin: expected string, got a text\n"},
		{"a list", "ConfigMap", typed, `[]interface {}{"hunter2"}`, ".data.pin: expected string, got a list\n"},
		{"a boolean", "ConfigMap", typed, "true", ".data.pin: expected string, got a boolean\n"},
		{"what a Secret holds", "Secret", `Secret "b" is invalid: data[pin]: Invalid value: "%"`, "hunter2", `Invalid value: "***"`},
		{"as it is read", "Secret", `it would not have %`, "swordfish", "it would not have ***"},
		{"a number that a Secret holds", "Secret", "it would not have %", "4711", "it would not have ***"},
	} {
		u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": c.kind,
			"data": map[string]any{"pin": "c3dvcmRmaXNo"}, "stringData": map[string]any{"a": "hunter2", "b": int64(4711), "c": map[string]any{"d": "hunter2"}}}}
		status := apierrors.NewBadRequest(strings.ReplaceAll(c.message, "%", c.value))
		err := Redact(u, status)
		if !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v; want %q", c.name, err, c.want)
		}
		if !apierrors.IsBadRequest(err) || !errors.Is(err, status) {
			t.Errorf("%s: the refusal is not known any more", c.name)
		}
	}
	if err := apierrors.NewBadRequest("no value in it"); Redact(&unstructured.Unstructured{Object: map[string]any{}}, err) != error(err) {
		t.Error("what quotes nothing is another error")
	}
}
