package config

import (
	"path"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/xetys/tether/apply/health"
	"github.com/xetys/tether/render/manifest"
)

// defaultBudget is the share of an environment's objects that one commit may
// delete unasked, in percent.
const defaultBudget = 50

func (l *checker) budget(text string) int {
	if text == "" {
		return defaultBudget
	}
	n, err := strconv.Atoi(strings.TrimSuffix(text, "%"))
	if err != nil || !strings.HasSuffix(text, "%") || n < 0 || n > 100 {
		l.refuse(l.line("spec", "pruneBudget"), "pruneBudget %q: use a share of the environment's objects, from 0%% to 100%%", text)
	}
	return n
}

type ignoreDocument struct {
	Group string   `yaml:"group"`
	Kind  string   `yaml:"kind"`
	Name  string   `yaml:"name"`
	Paths []string `yaml:"paths"`
}

// pointer is a JSON pointer to a field (RFC 6901).
var pointer = regexp.MustCompile(`^(/([^~/]|~[01])+)+$`)

func (l *checker) ignores(docs []ignoreDocument) []manifest.Ignore {
	var out []manifest.Ignore
	for i, d := range docs {
		if d.Kind == "" || len(d.Paths) == 0 {
			l.refuse(l.line("spec", "ignore", i), "a rule of ignore needs a kind and paths")
		}
		if _, err := path.Match(d.Name, ""); err != nil {
			l.refuse(l.line("spec", "ignore", i, "name"), "name %q of a rule of ignore: use a name, or a pattern like web-*", d.Name)
		}
		for j, p := range d.Paths {
			if !pointer.MatchString(p) {
				l.refuse(l.line("spec", "ignore", i, "paths", j), "path %q of a rule of ignore: use a JSON pointer like /spec/template/spec/containers/0/resources, with ~1 for a / in a key", p)
			}
		}
		out = append(out, manifest.Ignore(d))
	}
	return out
}

// health reads the rules on objects' health.
func (l *checker) health(list *yaml.Node) *health.Rules {
	rules, wrong := health.Read(list, l.raw, l.file)
	for _, p := range wrong {
		l.problems = append(l.problems, Problem{File: l.file, Line: p.Line, Column: p.Column, Message: p.Message})
	}
	return rules
}
