package apierror

import (
	"regexp"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// WebhookDown reports whether err, or what it wraps, says that an admission webhook
// could not be reached: that is about the objects that it guards, not about the API
// server.
func WebhookDown(err error) bool { return WebhookOf(err) != "" }

var callFailed = regexp.MustCompile(`failed calling webhook "([^"]+)"`)

// WebhookOf names the webhook that could not be reached.
func WebhookOf(err error) string {
	if !apierrors.IsInternalError(err) {
		return ""
	}
	if m := callFailed.FindStringSubmatch(err.Error()); m != nil {
		return m[1]
	}
	return ""
}
