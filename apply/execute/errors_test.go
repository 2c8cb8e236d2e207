package execute

import (
	"fmt"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/xetys/tether/apply/apierror"
	"github.com/xetys/tether/apply/wait"
)

func TestWhichOfItsOwnErrorsAreTrouble(t *testing.T) {
	for sentence, c := range map[string]struct {
		err  error
		want bool
	}{
		"what waits for another release is trouble":                {fmt.Errorf("apply: %w", errPrerequisite), true},
		"what did not become healthy is final":                     {fmt.Errorf("hook: %w", &wait.UnhealthyError{TimedOut: true, Timeout: time.Second}), false},
		"what is refused on its turn is as final as what it wraps": {&RefusedError{Why: "x", err: apierrors.NewInvalid(schema.GroupKind{Kind: "Pod"}, "a", nil)}, false},
		"a collision, which is nobody's answer, is final":          {&RefusedError{Why: "x"}, false},
	} {
		t.Run(sentence, func(t *testing.T) {
			if have := apierror.Transient(c.err); have != c.want {
				t.Errorf("transient is %v of: %v", have, c.err)
			}
		})
	}
}
