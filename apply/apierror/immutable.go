package apierror

import (
	"encoding/json"
	"errors"
	"regexp"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Immutable reports whether the server refuses an object because of a field that can't be
// changed in place. It reads the causes, each with its field and the rule that it breaks, and
// not the values and names in them. Immutable metadata does not count: recreating the object
// would not help.
func Immutable(err error) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return false
	}
	s := status.Status()
	judged := false
	if apierrors.IsInvalid(err) && s.Details != nil {
		for _, cause := range s.Details.Causes {
			judged = judged || cause.Field != ""
			if unchangeable(cause) {
				return true
			}
		}
	}
	// A webhook or a policy denies in words of its own, without causes.
	return !judged && denied(s.Message) && saysImmutable(afterLast(s.Message, "denied the request:", "denied request:"))
}

func afterLast(text string, marks ...string) string {
	for _, mark := range marks {
		if i := strings.LastIndex(text, mark); i >= 0 {
			text = text[i+len(mark):]
		}
	}
	return text
}

func unchangeable(cause metav1.StatusCause) bool {
	if cause.Field == "" || cause.Field == "metadata" || strings.HasPrefix(cause.Field, "metadata.") {
		return false
	}
	switch string(cause.Type) {
	case "FieldValueInvalid":
		return saysImmutable(withoutValue(cause.Message))
	case "FieldValueForbidden":
		return saysImmutable(strings.TrimPrefix(cause.Message, "Forbidden: "))
	}
	return false
}

// withoutValue returns what is said of an invalid value, without the value, which may
// say anything: "Invalid value: VALUE: it is said".
func withoutValue(message string) string {
	rest, ok := strings.CutPrefix(message, "Invalid value: ")
	if !ok {
		return message
	}
	dec := json.NewDecoder(strings.NewReader(rest))
	var value any
	if err := dec.Decode(&value); err == nil {
		if said, ok := strings.CutPrefix(rest[dec.InputOffset():], ": "); ok {
			return said
		}
	}
	if i := strings.LastIndex(rest, ": "); i >= 0 {
		return rest[i+2:] // the value is written as Go does
	}
	return ""
}

// The words in which the API server and common admission webhooks say that a field
// stays as it is. They are looked for in the first line, with what is quoted left out: a
// difference of both objects may follow.
var (
	quoted    = regexp.MustCompile("\"[^\"]*\"|(^|[\\s(\\[,=:])'[^']*'|`[^`]*`")
	fixedWord = regexp.MustCompile(`(?i)\b(is|are) immutable\b|\bimmutable fields?\b|\b(may|can|must) ?not (be )?(change|changed|modified|updated)\b|` +
		`\b(can't|cannot|can not) be (changed|modified|updated|unset|less than|decreased)\b|\bcannot change roleRef\b|` +
		`\bmay not (add or remove|change fields other than)\b|\bupdates to .* (are|is) forbidden\b|\bupdates to statefulset spec\b|` +
		`\bself *== *oldSelf\b|\boldSelf *== *self\b`)
)

func saysImmutable(text string) bool {
	line, _, _ := strings.Cut(text, "\n")
	return fixedWord.MatchString(quoted.ReplaceAllString(line, ""))
}
