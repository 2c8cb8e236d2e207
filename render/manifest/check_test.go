package manifest_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/xetys/tether/render/manifest"
)

func TestHowAnAnswerIsJudged(t *testing.T) {
	for sentence, c := range map[string]struct {
		check manifest.Check
		body  string
		want  string // what is wrong, nothing if all is well
	}{
		"a status as expected is enough":    {manifest.Check{Status: 200}, "anything", ""},
		"another status is wrong":           {manifest.Check{Status: 204}, "", "it answered 200, not 204"},
		"other keys don't matter":           {manifest.Check{Status: 200, JSON: map[string]any{"a": "b"}}, `{"a": "b", "c": 1}`, ""},
		"a key within a key is looked for":  {manifest.Check{Status: 200, JSON: map[string]any{"a": map[string]any{"b": 1.0}}}, `{"a": {"b": 1, "c": 2}}`, ""},
		"a value that differs is named":     {manifest.Check{Status: 200, JSON: map[string]any{"a": map[string]any{"b": 1.0}}}, `{"a": {"b": 2}}`, "its answer's a.b is not 1"},
		"what it is instead is not shown":   {manifest.Check{Status: 200, JSON: map[string]any{"a": "b"}}, `{"a": "hidden"}`, "its answer's a is not b"},
		"a text is not the number":          {manifest.Check{Status: 200, JSON: map[string]any{"a": 1.0}}, `{"a": "1"}`, "its answer's a is not 1"},
		"an absent key is not null":         {manifest.Check{Status: 200, JSON: map[string]any{"a": nil}}, `{}`, "its answer has no a"},
		"what is no JSON is wrong":          {manifest.Check{Status: 200, JSON: map[string]any{"a": 1.0}}, `<html>`, "its answer is no JSON object"},
		"a pattern matches somewhere":       {manifest.Check{Status: 200, Body: regexp.MustCompile("ea.th")}, "healthy", ""},
		"a pattern that does not match":     {manifest.Check{Status: 200, Body: regexp.MustCompile("^ok$")}, "healthy", "its answer does not match ^ok$"},
		"all that is asked for has to hold": {manifest.Check{Status: 200, JSON: map[string]any{"a": 1.0}, Body: regexp.MustCompile("c")}, `{"a": 1}`, "its answer does not match c"},
	} {
		t.Run(sentence, func(t *testing.T) {
			err := c.check.Judge(200, []byte(c.body))
			if (err == nil) != (c.want == "") || err != nil && !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("have %v, want %q", err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), "hidden") {
				t.Errorf("the answer is shown: %v", err)
			}
		})
	}
}
