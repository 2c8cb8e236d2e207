package apierror

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"syscall"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// answer is what the API server answers with, as client-go has it.
func answer(code int32, reason metav1.StatusReason, message string, causes ...metav1.StatusCause) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{Status: metav1.StatusFailure, Code: code, Reason: reason, Message: message,
		Details: &metav1.StatusDetails{Causes: causes}}}
}

func TestTroubleIsToldFromARefusal(t *testing.T) {
	gr := schema.GroupResource{Resource: "configmaps"}
	modified := apierrors.NewConflict(gr, "a", errors.New("the object has been modified; please apply your changes to the latest version and try again"))
	gone := apierrors.NewForbidden(gr, "a", errors.New("unable to create new content in namespace x because it is being terminated"))
	gone.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: corev1.NamespaceTerminatingCause}}
	fields := apierrors.NewApplyConflict([]metav1.StatusCause{{Type: metav1.CauseTypeFieldManagerConflict, Field: ".data.a"}}, "Apply failed with 1 conflict")
	invalid := apierrors.NewInvalid(schema.GroupKind{Kind: "Pod"}, "a", nil)
	for sentence, c := range map[string]struct {
		err  error
		want bool
	}{
		"a change of etcd's leader is trouble":                     {answer(500, "", "etcdserver: leader changed"), true},
		"an etcd that does not answer in time is trouble":          {answer(500, "", "etcdserver: request timed out"), true},
		"an internal error is trouble":                             {apierrors.NewInternalError(errors.New("storage is away")), true},
		"a 502 of a proxy is trouble":                              {apierrors.NewGenericServerResponse(502, "patch", gr, "a", "bad gateway", 0, true), true},
		"a 503 is trouble":                                         {apierrors.NewServiceUnavailable("starting"), true},
		"a 504 is trouble":                                         {apierrors.NewTimeoutError("request did not complete", 1), true},
		"a server that asks to try again is trouble":               {apierrors.NewServerTimeout(gr, "patch", 1), true},
		"too many requests are trouble":                            {apierrors.NewTooManyRequests("slow down", 1), true},
		"an expired credential is trouble":                         {apierrors.NewUnauthorized("Unauthorized"), true},
		"a list that has expired is trouble":                       {apierrors.NewResourceExpired("too old"), true},
		"another's write that came first is trouble":               {modified, true},
		"a conflict of a proxy is trouble":                         {apierrors.NewGenericServerResponse(409, "patch", gr, "a", "", 0, true), true},
		"a webhook that times out is trouble":                      {apierrors.NewInternalError(errors.New(`failed calling webhook "a.b": failed to call webhook: Post "https://x": context deadline exceeded`)), true},
		"a conversion webhook that is down is trouble":             {answer(500, "", "conversion webhook for example.com/v1, Kind=A failed: Post \"https://x\": EOF"), true},
		"a namespace that is being deleted is trouble":             {gone, true},
		"a quota that is not counted yet is trouble":               {apierrors.NewForbidden(gr, "a", errors.New("status unknown for quota: q, resources: pods")), true},
		"a connection that resets is trouble":                      {&url.Error{Op: "Patch", URL: "https://x", Err: &net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ECONNRESET)}}, true},
		"a bare reset is trouble":                                  {syscall.ECONNRESET, true},
		"an end of file is trouble":                                {fmt.Errorf("read: %w", io.EOF), true},
		"an unexpected end of file is trouble":                     {io.ErrUnexpectedEOF, true},
		"a server that goes away is trouble":                       {errors.New("http2: server sent GOAWAY and closed the connection; LastStreamID=5, ErrCode=NO_ERROR"), true},
		"a stream that ends is trouble":                            {errors.New("stream error: stream ID 7; INTERNAL_ERROR; received from peer"), true},
		"a body that breaks off is trouble":                        {fmt.Errorf("unexpected error when reading response body. Please retry. Original error: %w", errors.New("x")), true},
		"the deadline of one request is trouble":                   {fmt.Errorf("read: %w", context.DeadlineExceeded), true},
		"a name that can't be resolved is trouble":                 {&net.DNSError{Name: "x"}, true},
		"several troubles are trouble":                             {errors.Join(modified, io.EOF), true},
		"no error is no trouble":                                   {nil, false},
		"an error of our own is final":                             {errors.New("it is refused"), false},
		"a body that etcd would not have is final":                 {answer(500, "", "etcdserver: request is too large"), false},
		"a body that the server would not read is final":           {answer(413, metav1.StatusReasonRequestEntityTooLarge, "Request entity too large: limit is 3145728"), false},
		"a 500 that says that the body is too large is final":      {answer(500, "", "rpc error: code = ResourceExhausted desc = request is too large"), false},
		"a field that is not in the schema is final":               {answer(500, "", "failed to create typed patch object (/n; apps/v1, Kind=Deployment): .spec.bogus: field not declared in schema"), false},
		"a duplicate list key is final":                            {answer(500, "", `failed to create typed patch object (/n; apps/v1, Kind=Deployment): .spec.template.spec.containers[name="a"].env: duplicate entries for key [name="A"]`), false},
		"a live object that does not fit its schema is final":      {answer(500, "", "failed to create typed live object: .spec: duplicate entries"), false},
		"what is invalid is final":                                 {invalid, false},
		"a bad request is final":                                   {apierrors.NewBadRequest("metadata.managedFields must be nil"), false},
		"a permission that lacks is final":                         {apierrors.NewForbidden(gr, "a", errors.New("no")), false},
		"a quota that is exceeded is final":                        {apierrors.NewForbidden(gr, "a", errors.New("exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1")), false},
		"a webhook that denies is final":                           {answer(403, metav1.StatusReasonForbidden, `admission webhook "a.b" denied the request: no`), false},
		"a webhook that denies with 500 is final":                  {answer(500, metav1.StatusReasonInternalError, `admission webhook "a.b" denied the request: no`), false},
		"a webhook that denies with 409 is final":                  {answer(409, metav1.StatusReasonConflict, `admission webhook "a.b" denied the request: no`), false},
		"a webhook that denies with 503 is final":                  {answer(503, metav1.StatusReasonServiceUnavailable, `admission webhook "a.b" denied the request: no`), false},
		"a policy that denies is final":                            {answer(422, metav1.StatusReasonInvalid, `x "d" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'p' denied request: no`), false},
		"a conflict of field managers is final":                    {fields, false},
		"a uid that is nobody's is final":                          {apierrors.NewConflict(gr, "a", errors.New("uid mismatch: the provided object specified uid abc, and no existing object was found")), false},
		"what does not exist is final":                             {apierrors.NewNotFound(gr, "a"), false},
		"a verb that is not served is final":                       {apierrors.NewMethodNotSupported(gr, "patch"), false},
		"a refusal beside trouble is final":                        {errors.Join(io.EOF, invalid), false},
		"trouble beside a refusal is final":                        {fmt.Errorf("%w (and %w)", invalid, io.EOF), false},
		"what is not so yet is trouble":                            {fmt.Errorf("apply: %w", Pending("prerequisite does not exist yet")), true},
		"what is cancelled says nothing":                           {context.Canceled, false},
		"what a request wraps is looked for however deep it is":    {fmt.Errorf("a: %w", fmt.Errorf("b: %w", answer(500, "", "etcdserver: leader changed"))), true},
		"a status without a code is taken by its reason":           {answer(0, metav1.StatusReasonServiceUnavailable, ""), true},
		"an internal error that names a refusal's word is trouble": {answer(http.StatusInternalServerError, metav1.StatusReasonInternalError, "Internal error occurred: lost the lease of request"), true},
	} {
		t.Run(sentence, func(t *testing.T) {
			if have := Transient(c.err); have != c.want {
				t.Errorf("transient is %v of: %v", have, c.err)
			}
		})
	}
}

func TestWhatSpeaksOfContentAndWhatOfTheNamespace(t *testing.T) {
	gr := schema.GroupResource{Resource: "pods"}
	for sentence, c := range map[string]struct {
		err  error
		want bool
	}{
		"an invalid field":                {apierrors.NewInvalid(schema.GroupKind{Kind: "Pod"}, "a", nil), true},
		"a field that is not declared":    {answer(500, "", "failed to create typed patch object (/n; /v1, Kind=Pod): .a: field not declared in schema"), true},
		"managed fields":                  {apierrors.NewBadRequest("metadata.managedFields must be nil"), true},
		"a body that is too large":        {answer(413, metav1.StatusReasonRequestEntityTooLarge, "Request entity too large: limit is 3145728"), true},
		"a quota":                         {apierrors.NewForbidden(gr, "a", errors.New("exceeded quota: q")), false},
		"a policy, with the code of 422":  {answer(422, metav1.StatusReasonInvalid, `x "d" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'p' denied request: no`), false},
		"a webhook, with the code of 400": {answer(400, metav1.StatusReasonBadRequest, `admission webhook "a.b" denied the request: no`), false},
		"a change of leader":              {answer(500, "", "etcdserver: leader changed"), false},
		"a namespace that is not there":   {apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, "x"), false},
		"nothing":                         {nil, false},
	} {
		t.Run(sentence, func(t *testing.T) {
			if have := AboutContent(c.err); have != c.want {
				t.Errorf("it is about the content: %v", have)
			}
		})
	}
}

func TestADeletionOfAnotherObjectIsToldFromTrouble(t *testing.T) {
	gr := schema.GroupResource{Resource: "configmaps"}
	for sentence, c := range map[string]struct {
		err  error
		want bool
	}{
		"another UID":             {apierrors.NewConflict(gr, "a", errors.New("the UID in the precondition (abc) does not match the UID in record (def). The object might have been deleted and then recreated")), true},
		"another UID, in storage": {apierrors.NewConflict(gr, "a", errors.New("Precondition failed: UID in precondition: abc, UID in object meta: def")), true},
		"another version":         {apierrors.NewConflict(gr, "a", errors.New("the ResourceVersion in the precondition (1) does not match the ResourceVersion in record (2)")), false},
		"another's write":         {apierrors.NewConflict(gr, "a", errors.New("the object has been modified")), false},
		"a webhook's answer":      {answer(409, metav1.StatusReasonConflict, `admission webhook "a.b" denied the request: no`), false},
		"nothing":                 {nil, false},
	} {
		t.Run(sentence, func(t *testing.T) {
			if have := NameTaken(c.err); have != c.want {
				t.Errorf("replaced is %v", have)
			}
		})
	}
}

func TestARequestIsSentAgainAFewTimes(t *testing.T) {
	trouble, refusal := answer(500, "", "etcdserver: leader changed"), apierrors.NewBadRequest("no")
	for sentence, c := range map[string]struct {
		answers []error
		sent    int
		want    error
	}{
		"trouble that passes is nobody's business": {[]error{trouble, trouble, nil}, 3, nil},
		"trouble that stays is told":               {[]error{trouble, trouble, trouble, trouble, nil}, repetitions + 1, trouble},
		"a refusal is believed at once":            {[]error{refusal, nil}, 1, refusal},
		"who asks for less is not asked more":      {[]error{apierrors.NewTooManyRequests("", 1), nil}, 1, apierrors.NewTooManyRequests("", 1)},
	} {
		t.Run(sentence, func(t *testing.T) {
			sent := 0
			err := Retry(t.Context(), func() error {
				sent++
				return c.answers[sent-1]
			})
			if sent != c.sent || fmt.Sprint(err) != fmt.Sprint(c.want) {
				t.Errorf("sent %d times, %v; want %d, %v", sent, err, c.sent, c.want)
			}
		})
	}
}
