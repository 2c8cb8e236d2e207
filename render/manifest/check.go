package manifest

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// Check verifies a release after it is healthy: an HTTP request and what its
// answer has to be, or the chart's own tests.
type Check struct {
	// URL is asked from where the agent runs.
	URL string
	// Service is asked through the API server's proxy, so that the agent needs no
	// route to it.
	Service *ServiceRef
	// Test runs the chart's test hooks.
	Test bool
	// Status is the HTTP status that is expected.
	Status int
	// JSON is what the body has to hold: an object's keys, each with such a value.
	JSON map[string]any
	// Body is a regular expression that the body has to match; nil for any.
	Body *regexp.Regexp
}

// ServiceRef names a port of a Service in the release's namespace.
type ServiceRef struct {
	Name   string `yaml:"name"`
	Port   string `yaml:"port"` // a name or a number
	Path   string `yaml:"path"`
	Scheme string `yaml:"scheme"` // http or https
}

// Within says what is wrong with the path; nil if it stays below the Service. The path of
// the API server at which Services are asked stands in front of it.
func (s ServiceRef) Within() error {
	path, _, _ := strings.Cut(s.Path, "?")
	if Climbs(path) {
		return fmt.Errorf("its path leads away from the Service: leave out the .. in %q", s.Path)
	}
	return nil
}

// Climbs reports whether a path of a URL leads up.
func Climbs(path string) bool {
	return slices.ContainsFunc(strings.FieldsFunc(path, func(r rune) bool { return r == '/' || r == '\\' }), func(step string) bool { return step == ".." })
}

// String names the check for people.
func (c Check) String() string {
	switch {
	case c.Test:
		return "the chart's tests"
	case c.Service != nil:
		return fmt.Sprintf("service %s:%s%s", c.Service.Name, c.Service.Port, c.Service.Path)
	}
	return c.URL
}

// Judge says what is wrong with an answer; nil if it is as expected.
func (c Check) Judge(status int, body []byte) error {
	if status != c.Status {
		return fmt.Errorf("it answered %d, not %d", status, c.Status)
	}
	if c.JSON != nil {
		var have map[string]any
		if err := json.Unmarshal(body, &have); err != nil {
			return fmt.Errorf("its answer is no JSON object: %w", err)
		}
		if err := holds(c.JSON, have, ""); err != nil {
			return err
		}
	}
	if c.Body != nil && !c.Body.Match(body) {
		return fmt.Errorf("its answer does not match %s", c.Body)
	}
	return nil
}

// holds reports the first key, by name, that have does not hold as wanted. What
// it has instead is not shown: it may be anything.
func holds(want, have map[string]any, path string) error {
	keys := make([]string, 0, len(want))
	for k := range want {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		at := path + k
		w, wm := want[k].(map[string]any)
		h, hm := have[k].(map[string]any)
		_, there := have[k]
		switch {
		case !there:
			return fmt.Errorf("its answer has no %s", at)
		case wm && hm:
			if err := holds(w, h, at+"."); err != nil {
				return err
			}
		case !reflect.DeepEqual(want[k], have[k]):
			return fmt.Errorf("its answer's %s is not %v", at, want[k])
		}
	}
	return nil
}
