package main

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/xetys/tether/source"
)

func TestEnvironmentsAreReadWithTheirRefs(t *testing.T) {
	names, refs, err := parseEnvironments([]string{"prod@tag:v*", "stage", "dev@feature/x", "qa"}, "main")
	want := map[string]source.Ref{"prod": "tag:v*", "stage": "main", "dev": "feature/x", "qa": "main"}
	if err != nil || !slices.Equal(names, []string{"prod", "stage", "dev", "qa"}) || !maps.Equal(refs, want) {
		t.Errorf("%v, %v, %v", names, refs, err)
	}
	if got := distinct(refs); !slices.Equal(got, []source.Ref{"feature/x", "main", "tag:v*"}) {
		t.Errorf("the refs are %v", got)
	}
	for why, bad := range map[string][]string{
		"given twice":            {"prod", "prod@next"},
		"neither a branch":       {"prod@a..b"},
		"no pattern of tags":     {"prod@tag:v["},
		"has no name":            {"@main"},
		"a branch's name nor ta": {"prod@"},
	} {
		if _, _, err := parseEnvironments(bad, "main"); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%v: %v; want %q", bad, err, why)
		}
	}
}
