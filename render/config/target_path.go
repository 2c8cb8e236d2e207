package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"helm.sh/helm/v3/pkg/strvals"
)

// The bounds of where valuesFrom puts a text: Helm makes each list on the way as long as its
// index says, and goes down one call for each step.
const (
	maxTargetPath = 1000
	maxElements   = 1000 // of all lists on the way
)

// checkTargetPath says what is wrong with a targetPath. Nothing is made of it before its
// lists are counted.
func checkTargetPath(path string) error {
	if len(path) > maxTargetPath {
		return fmt.Errorf("it has %d characters, more than %d", len(path), maxTargetPath)
	}
	elements := 0
	for rest := path; ; {
		_, after, list := strings.Cut(rest, "[")
		if !list {
			break
		}
		index, next, _ := strings.Cut(after, "]")
		n, err := strconv.Atoi(index)
		if err != nil || n < 0 {
			return fmt.Errorf("[%.20s] is no element of a list", index)
		}
		if elements += min(n, maxElements) + 1; elements > maxElements {
			return fmt.Errorf("its lists would have more than %d elements", maxElements)
		}
		rest = next
	}
	if strings.Contains(path, "=") || strvals.ParseLiteralInto(path+"=", map[string]any{}) != nil {
		return errors.New("it is no path")
	}
	return nil
}
