package kube

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/xetys/tether/render/manifest"
)

// CheckQuantities refuses an object of Kubernetes' own with a quantity that no cluster has, by
// the field. The API server would write a number such as 1e-2000000000 out, in a gigabyte, and
// goes on with that when the request has long been given up: a few of them end it.
func CheckQuantities(u *unstructured.Unstructured) error {
	kind, known := scheme.Scheme.AllKnownTypes()[u.GroupVersionKind()]
	if !known {
		return nil // a custom resource's are texts to the API server
	}
	return checkQuantities(kind, u.Object, "")
}

var quantityType = reflect.TypeFor[resource.Quantity]()

// checkQuantities goes through a value and the type that the API server reads it into.
func checkQuantities(t reflect.Type, value any, path string) error {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch v := value.(type) {
	case string:
		if t != quantityType {
			return nil
		}
		if _, err := manifest.Quantity(v); manifest.NoClusterHas(err) {
			return fmt.Errorf("%s is %.40q: %w", strings.TrimPrefix(path, "."), v, err)
		}
	case []any:
		if t.Kind() != reflect.Slice {
			return nil // the API server says what is wrong
		}
		for i, e := range v {
			if err := checkQuantities(t.Elem(), e, fmt.Sprintf("%s[%d]", path, i)); err != nil {
				return err
			}
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			field := fieldType(t, name)
			if field == nil {
				continue
			}
			if err := checkQuantities(field, v[name], path+"."+name); err != nil {
				return err
			}
		}
	}
	return nil
}

// fieldType is the type of a map's values, or of a struct's field by its name in JSON; nil if
// there is no such field.
func fieldType(t reflect.Type, name string) reflect.Type {
	switch t.Kind() {
	case reflect.Map:
		return t.Elem()
	case reflect.Struct:
		known, ok := fieldsOf.Load(t)
		if !ok {
			known, _ = fieldsOf.LoadOrStore(t, jsonFields(t))
		}
		return known.(map[string]reflect.Type)[name]
	}
	return nil
}

// fieldsOf are the fields of structs that were asked for.
var fieldsOf sync.Map

func jsonFields(t reflect.Type) map[string]reflect.Type {
	out := map[string]reflect.Type{}
	for _, f := range reflect.VisibleFields(t) {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" && f.IsExported() {
			out[name] = f.Type
		}
	}
	return out
}
