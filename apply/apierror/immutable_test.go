package apierror

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func invalid(causes ...metav1.StatusCause) error {
	return answer(422, metav1.StatusReasonInvalid, `Thing "is immutable" is invalid: all of them at once`, causes...)
}

func because(kind, field, message string) metav1.StatusCause {
	return metav1.StatusCause{Type: metav1.CauseType(kind), Field: field, Message: message}
}

// The causes are as API servers 1.22 to 1.37 and the validation libraries of operators
// write them.
func TestWhatCanNotBeChangedIsToldByTheCause(t *testing.T) {
	const value, forbidden, required = "FieldValueInvalid", "FieldValueForbidden", "FieldValueRequired"
	for sentence, c := range map[string]struct {
		err  error
		want bool
	}{
		"a selector":                                    {invalid(because(value, "spec.selector", `Invalid value: {"matchLabels":{"a":"b"}}: field is immutable`)), true},
		"a Service's address":                           {invalid(because(value, "spec.clusterIPs[0]", `Invalid value: ["10.0.0.78"]: may not change once set`)), true},
		"a Service's address, unset":                    {invalid(because(value, "spec.clusterIPs[0]", `Invalid value: []string(nil): primary clusterIP can not be unset`)), true},
		"a priority":                                    {invalid(because(forbidden, "value", "Forbidden: may not be changed in an update.")), true},
		"a Pod's environment":                           {invalid(because(forbidden, "spec", "Forbidden: pod updates may not change fields other than `spec.containers[*].image`\n@@ -1 +1 @@")), true},
		"a Pod's containers":                            {invalid(because(forbidden, "spec.containers", "Forbidden: pod updates may not add or remove containers")), true},
		"a role reference":                              {invalid(because(value, "roleRef", `Invalid value: {"Name":"b"}: field is immutable`)), true},
		"a role reference, on older servers":            {invalid(because(value, "roleRef", `Invalid value: rbac.RoleRef{APIGroup:"", Kind:"Role", Name:"b"}: cannot change roleRef`)), true},
		"a StatefulSet's field, on older servers":       {invalid(because(forbidden, "spec", "Forbidden: updates to statefulset spec for fields other than 'replicas', 'template' and 'updateStrategy' are forbidden")), true},
		"a Job's template":                              {invalid(because(value, "spec.template", `Invalid value: {"a":"x: y"}: field is immutable`)), true},
		"a claim's access modes":                        {invalid(because(forbidden, "spec", "Forbidden: spec is immutable after creation except resources.requests for bound claims\n@@ -1 +1 @@")), true},
		"a claim that shrinks":                          {invalid(because(forbidden, "spec.resources.requests.storage", "Forbidden: field can not be less than status.capacity")), true},
		"a StorageClass's parameters, on older servers": {invalid(because(forbidden, "parameters", "Forbidden: updates to parameters are forbidden.")), true},
		"a ConfigMap that is sealed":                    {invalid(because(forbidden, "data", "Forbidden: field is immutable when `immutable` is set")), true},
		"a rule of a CRD":                               {invalid(because(value, "spec.a", `Invalid value: "2": a is immutable`)), true},
		"a rule of a CRD without a message":             {invalid(because(value, "spec.b", `Invalid value: "2": failed rule: self == oldSelf`)), true},
		"one cause among others":                        {invalid(because(required, "spec.x", "Required value"), because(value, "spec.selector", "Invalid value: null: field is immutable")), true},
		"a webhook's own words":                         {answer(403, metav1.StatusReasonForbidden, `admission webhook "a.b" denied the request: spec.storage is immutable`), true},
		"a policy's own words":                          {answer(422, metav1.StatusReasonInvalid, `x "d" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'p' denied request: the class can't be changed`, metav1.StatusCause{Message: "ValidatingAdmissionPolicy 'p' denied"}), true},
		"a name that says so":                           {answer(403, metav1.StatusReasonForbidden, `admission webhook "a.b" denied the request: configmaps "which is immutable" has no owner`), false},
		"a webhook that is called so":                   {answer(403, metav1.StatusReasonForbidden, `admission webhook "field is immutable" denied the request: no`), false},
		"a value that says so":                          {invalid(because(value, "spec.a", `Invalid value: "field is immutable": must be a number`)), false},
		"a value within a value that says so":           {invalid(because(value, "spec", `Invalid value: {"a":"b: field is immutable"}: must be a number`)), false},
		"a difference that says so":                     {invalid(because(forbidden, "spec", "Forbidden: no\n+ field is immutable")), false},
		"a value of the wrong kind":                     {invalid(because("FieldValueTypeInvalid", "spec.a", "Invalid value: field is immutable")), false},
		"a UID":                                         {invalid(because(value, "metadata.uid", `Invalid value: "abc": field is immutable`)), false},
		"a name":                                        {invalid(because(value, "metadata.name", `Invalid value: "immutable": field is immutable`)), false},
		"what is required":                              {invalid(because(required, "spec.a", "Required value: immutable fields need it")), false},
		"a conflict":                                    {answer(409, metav1.StatusReasonConflict, "the object has been modified; field is immutable"), false},
		"trouble":                                       {answer(500, "", "etcdserver: field is immutable"), false},
		"nothing":                                       {nil, false},
	} {
		t.Run(sentence, func(t *testing.T) {
			if have := Immutable(c.err); have != c.want {
				t.Errorf("immutable is %v of %v", have, c.err)
			}
		})
	}
}
