package apierror

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// quotedValue is how the API server quotes a value of the wrong type, whatever it holds.
var quotedValue = regexp.MustCompile(`(?m), got &value\.\w+\{Value:(.?).*$`)

// redactedError is a refusal without the values of the object that it is about. Its paths
// are enough to find them.
type redactedError struct {
	error
	text string
}

// Error returns the text without values.
func (d *redactedError) Error() string { return d.text }

// Unwrap returns the API server's own error, which may have secret values in it.
func (d *redactedError) Unwrap() error { return d.error }

// Redact removes from the API server's answer the values that it quotes from the object: any
// value of the wrong type, and all values of a Secret.
func Redact(u *unstructured.Unstructured, err error) error {
	if err == nil {
		return nil
	}
	was := err.Error()
	text := quotedValue.ReplaceAllStringFunc(was, func(found string) string {
		return ", got " + typeOf(quotedValue.FindStringSubmatch(found)[1])
	})
	if u.GetAPIVersion() == "v1" && u.GetKind() == "Secret" {
		for _, v := range secretTexts(u) {
			text = strings.ReplaceAll(text, v, "***")
		}
	}
	if text == was {
		return err
	}
	return &redactedError{err, text}
}

// typeOf names the type of a value that Go prints beginning with a letter.
func typeOf(first string) string {
	switch first {
	case `"`, "`":
		return "a text"
	case "m":
		return "a map"
	case "[":
		return "a list"
	case "t", "f":
		return "a boolean"
	case "i", "<", "n":
		return "something else"
	}
	return "a number"
}

// shortest is how long a text of a Secret is that is looked for in what is said of it.
const shortest = 3

// secretTexts are what a Secret holds, long ones first: as it stands, and as it is read.
func secretTexts(u *unstructured.Unstructured) []string {
	out := textsIn(u.Object["stringData"], textsIn(u.Object["data"], nil))
	slices.SortFunc(out, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	return slices.Compact(out)
}

// textsIn adds the texts of a value to others.
func textsIn(v any, out []string) []string {
	switch x := v.(type) {
	case nil, bool:
		return out
	case map[string]any:
		for _, e := range x {
			out = textsIn(e, out)
		}
		return out
	case []any:
		for _, e := range x {
			out = textsIn(e, out)
		}
		return out
	}
	text := fmt.Sprint(v)
	if len(text) >= shortest {
		out = append(out, text)
	}
	if raw, err := base64.StdEncoding.DecodeString(text); err == nil && len(raw) >= shortest {
		out = append(out, string(raw))
	}
	return out
}
