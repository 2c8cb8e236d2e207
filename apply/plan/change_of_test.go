package plan

import (
	"fmt"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xetys/tether/render/manifest"
)

// refused is what the API server answers with that does not take an object.
func refused(message string, causes ...metav1.StatusCause) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{Status: metav1.StatusFailure, Code: 422, Reason: metav1.StatusReasonInvalid, Message: message,
		Details: &metav1.StatusDetails{Causes: causes}}}
}

func TestWhoMayRecreate(t *testing.T) {
	const allowed = ", annotations: {tether.stytex.cloud/recreate: \"true\"}"
	claim := "{kind: PersistentVolumeClaim, apiVersion: v1, metadata: {name: x%s}}"
	service := "{kind: Service, apiVersion: v1, metadata: {name: x%s}}"
	job := "{kind: Job, apiVersion: batch/v1, metadata: {name: x%s}}"
	definition := "{kind: CustomResourceDefinition, apiVersion: apiextensions.k8s.io/v1, metadata: {name: x%s}}"
	refusal := refused("Invalid value: 1: field is immutable", metav1.StatusCause{Type: "FieldValueInvalid", Field: "spec.x", Message: "Invalid value: 1: field is immutable"})
	denial := refused(`x "d" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'p' denied request: no`)
	for sentence, c := range map[string]struct {
		object             string
		wantSays, liveSays bool
		rollback           bool
		err, successor     error
		want               Action
	}{
		"a Job may be":                             {object: job, err: refusal, want: Recreate},
		"anything else may not":                    {object: service, err: refusal, want: Refused},
		"it may if the chart says so":              {object: service, wantSays: true, err: refusal, want: Recreate},
		"it may if it was said when it was made":   {object: service, liveSays: true, err: refusal, want: Recreate},
		"a rollback may":                           {object: service, rollback: true, err: refusal, want: Recreate},
		"a rollback may not if data goes with it":  {object: claim, rollback: true, err: refusal, want: Refused},
		"data may go if that is said":              {object: claim, liveSays: true, rollback: true, err: refusal, want: Recreate},
		"a definition never may":                   {object: definition, wantSays: true, err: refusal, want: Refused},
		"nothing may whose successor is denied":    {object: claim, wantSays: true, err: refusal, successor: denial, want: Refused},
		"not even a Job whose successor is denied": {object: job, err: refusal, successor: denial, want: Refused},
		"nothing may that is refused for else":     {object: service, wantSays: true, err: denial, want: Refused},
		"nothing may for want of a permission":     {object: job, err: apierrors.NewBadRequest("field is immutable"), want: Refused},
	} {
		t.Run(sentence, func(t *testing.T) {
			says := func(yes bool) string {
				if yes {
					return allowed
				}
				return ""
			}
			want := web.Mark(parse(t, fmt.Sprintf(c.object, says(c.wantSays))))
			found := live(t, fmt.Sprintf(c.object, says(c.liveSays)))
			owner := web
			owner.Rollback = c.rollback
			plan := NewPlan(owner, want, nil, map[manifest.ID]Observation{found.ID(): {Live: found.Unstructured, Err: c.err, Replacement: c.successor}}, Provisions{})
			if have := plan.Changes[0]; have.Action != c.want {
				t.Errorf("%s: %s; want %s", have.Action, have.Why, c.want)
			}
		})
	}
}
