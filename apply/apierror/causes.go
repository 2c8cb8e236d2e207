package apierror

import (
	"errors"
	"net/http"
	"regexp"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
)

// KindMissing reports whether the API server does not serve an object's kind, or not in
// its version.
func KindMissing(err error) bool {
	return meta.IsNoMatchError(err) || apierrors.IsNotFound(err) && strings.Contains(err.Error(), "the server could not find the requested resource")
}

// NamespaceMissing reports whether the API server did not find a namespace.
func NamespaceMissing(err error, namespace string) bool {
	d := NotFound(err)
	return d.kind == "namespaces" && d.Name == namespace
}

// Subject is what the API server says that it did not find.
type Subject struct{ kind, Name string }

// NotFound returns what the API server says that it did not find; nothing if the error is
// another.
func NotFound(err error) Subject {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || !apierrors.IsNotFound(err) || status.Status().Details == nil {
		return Subject{}
	}
	d := status.Status().Details
	return Subject{d.Kind, d.Name}
}

var excludes = regexp.MustCompile(`^(?:Invalid value: .*?: )?"([^"]*)" must `)

// FieldPaths lists the paths that a refusal is about. Of a custom resource's schema
// only the message says which part does not hold.
func FieldPaths(err error) []string {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || status.Status().Details == nil {
		return nil
	}
	var out []string
	for _, cause := range status.Status().Details.Causes {
		if m := excludes.FindStringSubmatch(cause.Message); m != nil {
			out = append(out, m[1])
		}
		if cause.Field != "" && cause.Field != "<nil>" {
			out = append(out, cause.Field)
		}
	}
	return out
}

// Invalid reports whether the server refuses an object for its content.
func Invalid(err error) bool { return apierrors.IsInvalid(err) }

// AboutNameOnly reports whether an object is refused for its name only: some kinds allow only
// certain names.
func AboutNameOnly(err error) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || !apierrors.IsInvalid(err) || status.Status().Details == nil {
		return false
	}
	named := false
	for _, cause := range status.Status().Details.Causes {
		if named = cause.Field == "metadata.name" || cause.Field == "metadata"; !named {
			return false
		}
	}
	return named
}

// AboutContent reports whether the API server refuses an object for what is in it: the same
// body would be refused in any namespace. A policy, a quota or a permission is about the
// namespace.
func AboutContent(err error) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || denied(status.Status().Message) {
		return false
	}
	return apierrors.IsInvalid(err) || apierrors.IsBadRequest(err) || apierrors.IsRequestEntityTooLargeError(err) ||
		status.Status().Code == http.StatusInternalServerError && !Transient(err)
}

// NameTaken reports whether a deletion was refused because another object has the name
// by now.
func NameTaken(err error) bool {
	return apierrors.IsConflict(err) && (strings.Contains(err.Error(), "the UID in the precondition") || strings.Contains(err.Error(), "UID in precondition"))
}

// Forbidden reports whether the server refused a request because its sender lacks a permission.
func Forbidden(err error) bool { return apierrors.IsForbidden(err) }
