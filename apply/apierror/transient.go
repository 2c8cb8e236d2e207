// Package apierror classifies errors of requests to an API server: transient ones, which are
// worth another try, and refusals, with what they say of the object.
//
// It does not know what is applied, nor why: it reads errors only.
package apierror

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilnet "k8s.io/apimachinery/pkg/util/net"
)

// Pending is an error that will go away by itself, but not within a second: something that the
// request needs is not there yet.
type Pending string

// Error says what is not there yet.
func (p Pending) Error() string { return string(p) }

// Transient implements the interface that the function Transient checks: another try may
// succeed.
func (p Pending) Transient() bool { return true }

// Transient reports whether err, or what it wraps, may go away and is worth another try with
// the same inputs: an error of the network, an API server that is unreachable, busy or changes
// its leader, a webhook that does not answer, a conflict with another writer. Any other error
// is about the object itself. Several errors at once are transient if each of them is: one that
// is final stays so, whatever else happened.
func Transient(err error) bool {
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
		if err != nil && !Transient(err) {
			return false
		}
		some = some || err != nil
	}
	return some
}

// classify judges one error of a chain; known is false if it says nothing by itself.
func classify(err error) (isTransient, known bool) {
	switch err {
	case context.DeadlineExceeded, io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, http.ErrServerClosed:
		return true, true
	}
	switch e := err.(type) {
	case interface{ Transient() bool }:
		return e.Transient(), true
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
