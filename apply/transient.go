package apply

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilnet "k8s.io/apimachinery/pkg/util/net"
)

// errComing says that an object waits for what another release of the same
// commit brings, and has not brought yet.
var errComing = errors.New("it is not there yet")

// errBlocked says that a deletion takes its time: nothing is wrong with what was
// deployed, and it is waited for again.
var errBlocked = errors.New("it is still there")

// errRestless says that an object changes faster than it can be compared.
var errRestless = errors.New("it changes faster than it can be compared")

// Transient reports whether err, or what it wraps, is trouble of the way and worth
// another try with the same inputs: the network, an API server that is away, busy or
// changes its leader, a webhook that does not answer, somebody else's write that came
// first. What is not transient is said of the object itself. Several errors at once are
// transient if each of them is: one that is final stays so, whatever else happened.
func Transient(err error) bool { return transient(err) }

func transient(err error) bool {
	for err != nil {
		if several, ok := err.(interface{ Unwrap() []error }); ok {
			return allTransient(several.Unwrap())
		}
		if said, known := classify(err); known {
			return said
		}
		err = errors.Unwrap(err)
	}
	return false
}

func allTransient(all []error) bool {
	some := false
	for _, err := range all {
		if err != nil && !transient(err) {
			return false
		}
		some = some || err != nil
	}
	return some
}

// classify judges one error of a chain; known is false if it says nothing by itself.
func classify(err error) (isTransient, known bool) {
	switch err {
	case errComing, errBlocked, errRestless, context.DeadlineExceeded, io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, http.ErrServerClosed:
		return true, true
	}
	switch e := err.(type) {
	case *UnhealthyError:
		return false, true
	case apierrors.APIStatus:
		return transientStatus(err, e.Status()), true
	case *url.Error, *net.OpError, *net.DNSError, syscall.Errno:
		return true, true
	}
	if utilnet.IsConnectionReset(err) || utilnet.IsConnectionRefused(err) || utilnet.IsHTTP2ConnectionLost(err) || utilnet.IsTimeout(err) || cutOff(err.Error()) {
		return true, true
	}
	return false, false
}

// cutOff recognises what Go's HTTP says of a connection that ended, in errors that have
// no type of their own.
func cutOff(text string) bool {
	for _, said := range []string{"http2: server sent GOAWAY", "http2: client connection", "http2: response body closed", "stream error: stream ID",
		"server closed idle connection", "use of closed network connection", "unexpected error when reading response body"} {
		if strings.Contains(text, said) {
			return true
		}
	}
	return false
}

func transientStatus(err error, s metav1.Status) bool {
	switch {
	case denied(s.Message):
		return false // a webhook may deny with any code
	case apierrors.IsTooManyRequests(err), apierrors.IsServerTimeout(err), apierrors.IsTimeout(err), apierrors.IsServiceUnavailable(err),
		apierrors.IsUnauthorized(err), apierrors.IsGone(err), apierrors.IsResourceExpired(err):
		return true
	case apierrors.IsForbidden(err):
		return apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) || strings.Contains(s.Message, "status unknown for quota")
	case apierrors.IsConflict(err):
		// Another one than that of resource versions says what will be so next time.
		return !apierrors.HasStatusCause(err, metav1.CauseTypeFieldManagerConflict) && !strings.Contains(s.Message, "uid mismatch")
	}
	return s.Code >= http.StatusInternalServerError && !finalFault(s.Message)
}

// denied recognises that an admission webhook or policy would not have an object.
func denied(message string) bool {
	return strings.Contains(message, "admission webhook") && strings.Contains(message, "denied the request") ||
		strings.Contains(message, "AdmissionPolicy '") && strings.Contains(message, "denied request")
}

// finalFault recognises what the API server answers with 500, though it is about the
// very object: it does so with what its own code does not expect.
func finalFault(message string) bool {
	for _, said := range []string{
		"request is too large", "Request entity too large", // etcd's bound on an object, and the server's own
		"failed to create typed ", "failed to convert ", "field not declared in schema", // server-side apply, of a body that does not fit the schema
		"failed to create manager for existing fields", "failed to prune fields", "failed to extract",
		"resourceVersion should not be set on objects to be created", "resourceVersion can not be set",
	} {
		if strings.Contains(message, said) {
			return true
		}
	}
	return false
}

// aboutContent reports whether the API server refuses an object for what is in it: the
// same body is refused in any namespace. A policy, a quota or a permission speak of the
// namespace.
func aboutContent(err error) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || denied(status.Status().Message) {
		return false
	}
	return apierrors.IsInvalid(err) || apierrors.IsBadRequest(err) || apierrors.IsRequestEntityTooLargeError(err) ||
		status.Status().Code == http.StatusInternalServerError && !transient(err)
}

// replaced reports whether a deletion was refused because another object has the name
// by now.
func replaced(err error) bool {
	return apierrors.IsConflict(err) && (strings.Contains(err.Error(), "the UID in the precondition") || strings.Contains(err.Error(), "UID in precondition"))
}

// How often a single request is sent again before its trouble becomes the whole
// look's, and the pause before the first repetition.
const (
	repetitions = 3
	repeatPause = 100 * time.Millisecond
)

// persist repeats an idempotent request that met trouble of the way, some times and
// with a growing pause.
func persist(ctx context.Context, request func() error) error {
	pause := repeatPause
	for n := 0; ; n++ {
		err := request()
		if err == nil || n == repetitions || !momentary(err) {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return err
		}
		pause *= 2
	}
}

// momentary reports whether trouble may be over within the second. A webhook that is
// down, or what is still to come, takes longer; who asks for less is not asked more.
func momentary(err error) bool {
	return transient(err) && !webhookDown(err) && !apierrors.IsTooManyRequests(err) &&
		!errors.Is(err, errComing) && !errors.Is(err, errBlocked) && !errors.Is(err, errRestless)
}
