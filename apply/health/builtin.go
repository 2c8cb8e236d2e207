package health

import (
	_ "embed"
	"fmt"
	"sync"
	"time"

	"go.yaml.in/yaml/v3"
)

//go:embed builtin.yaml
var builtinText []byte

// builtin are the rules for kinds of which the generic rule is wrong.
var builtin = sync.OnceValue(func() *Rules {
	var specs []RuleSpec
	if err := yaml.Unmarshal(builtinText, &specs); err != nil {
		panic(fmt.Sprintf("builtin.yaml: %v", err)) // a test reads it
	}
	r := &Rules{}
	for _, s := range specs {
		grace := TerminalGrace
		if s.Grace != "" {
			if d, err := time.ParseDuration(s.Grace); err == nil {
				grace = d
			}
		}
		r.rules = append(r.rules, &rule{spec: s, name: "built-in rule", grace: grace})
	}
	return r
})
