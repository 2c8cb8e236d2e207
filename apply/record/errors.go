package record

import (
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ErrExists says that a record of the same revision was written by somebody else.
var ErrExists = errors.New("a record of this revision exists already: somebody else deployed the release meanwhile")

// ErrGone says that a record was deleted since it was read. The History that holds it
// goes on without it.
var ErrGone = errors.New("record was deleted by somebody else")

// ErrDamaged says that a record can't be read, or is no record. The History that holds
// it goes on without it.
var ErrDamaged = errors.New("record is damaged, and set aside; delete the Secret once it is not needed to find out why")

// ErrChanged says that somebody else wrote a record since it was read. The record is
// now what is stored.
var ErrChanged = errors.New("somebody else changed it meanwhile")

// Unreadable reports whether err says that a record is gone or damaged, so that a decision by
// its history has to be made again.
func Unreadable(err error) bool { return errors.Is(err, ErrGone) || errors.Is(err, ErrDamaged) }

// An unreadableError carries the record as it is set aside: who read a copy of one that others
// look at enters that in its place.
type unreadableError struct {
	record *Record
	err    error
}

func (e *unreadableError) Error() string { return e.err.Error() }
func (e *unreadableError) Unwrap() error { return e.err }

// TooLargeError says that a record does not fit into a Secret.
type TooLargeError struct {
	Namespace, Release string
	Size, Limit        int // in bytes
}

// Error says how large the record is, and how large it may be.
func (e *TooLargeError) Error() string {
	const kib = 1 << 10 // the same for the same release, whatever passwords it generates
	return fmt.Sprintf("release %s: its Helm record takes %d KiB, compressed, and a Secret has room for %d KiB: split the release, or take large files out of its manifest and values",
		e.Release, (e.Size+kib-1)/kib, e.Limit/kib)
}

// DeniedError says that the API server does not allow a record to be written: because of a
// missing permission, a quota, or an admission policy.
type DeniedError struct {
	What string // what was to be done, and with which Secret
	err  error
}

// Error says who may not do what, and how to fix it.
func (e *DeniedError) Error() string {
	text := e.err.Error()
	switch {
	case strings.Contains(text, "exceeded quota"):
		return fmt.Sprintf("%s: %s: raise the quota, or keep fewer records with --history-max", e.What, text)
	case strings.Contains(text, "cannot "):
		return fmt.Sprintf("%s: %s: each release has its records there; give that user get, list, watch, create, update and delete of secrets in the namespace", e.What, text)
	}
	return fmt.Sprintf("%s: %s", e.What, text)
}

// Unwrap returns the API server's answer.
func (e *DeniedError) Unwrap() error { return e.err }

// failed says which request failed, with which Secret.
func failed(verb string, r *Record, err error) error {
	what := fmt.Sprintf("%s release record %s/%s", verb, r.Namespace, r.key())
	if apierrors.IsForbidden(err) && !apierrors.HasStatusCause(err, "NamespaceTerminating") || policy(err) {
		return &DeniedError{What: what, err: err}
	}
	return fmt.Errorf("%s: %w", what, err)
}

// policy reports whether an admission policy or a webhook would not have a Secret: its
// answer may have any code.
func policy(err error) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || status.Status().Reason == metav1.StatusReasonInternalError {
		return false
	}
	text := status.Status().Message
	return strings.Contains(text, "denied the request") || strings.Contains(text, "denied request")
}
