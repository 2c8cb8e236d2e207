package render

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/url"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
	"go.yaml.in/yaml/v3"

	"github.com/xetys/tether/apply/health"
	"github.com/xetys/tether/render/manifest"
)

// Window is a time at which deploys are allowed, or denied.
type Window struct {
	// Starts yields the window's starts, as wall-clock times of Location written in
	// UTC: so a start in an hour that daylight saving skips is not lost.
	Starts   cron.Schedule
	Duration time.Duration
	Location *time.Location
	Deny     bool
	// Text is what the window was read from.
	Text WindowText
}

// WindowText is a Window as environment.yaml writes it.
type WindowText struct {
	Schedule string `yaml:"schedule" json:"schedule"`
	Duration string `yaml:"duration" json:"duration"`
	Timezone string `yaml:"timezone" json:"timezone,omitempty"`
	Kind     string `yaml:"kind" json:"kind"`
}

type windowDocument = WindowText

// ParseWindows reads windows that were read and checked before; what can't be read all
// the same is left out.
func ParseWindows(texts []WindowText) []Window {
	var out []Window
	for _, t := range texts {
		one := (&checker{root: &yaml.Node{}}).windows([]WindowText{t})
		if w := one[0]; w.Starts != nil && w.Location != nil && w.Duration > 0 {
			out = append(out, w)
		}
	}
	return out
}

const (
	longestWindow = 31 * 24 * time.Hour
	mostWindows   = 50 // each costs the agent time whenever it decides
)

func (l *checker) windows(docs []windowDocument) []Window {
	if len(docs) > mostWindows {
		l.refuse(l.line("spec", "deployWindows"), "deployWindows has %d windows: up to %d can be read", len(docs), mostWindows)
		return nil
	}
	var out []Window
	for i, d := range docs {
		at := func(field string) int { return l.line("spec", "deployWindows", i, field) }
		w := Window{Deny: d.Kind == "deny", Text: d}
		if d.Kind != "allow" && d.Kind != "deny" {
			l.refuse(at("kind"), "kind %q of a deploy window: use allow or deny", d.Kind)
		}
		var err error
		if w.Starts, err = cron.ParseStandard(d.Schedule); err != nil || strings.Contains(d.Schedule, "TZ=") || strings.HasPrefix(d.Schedule, "@every") {
			l.refuse(at("schedule"), "schedule %q of a deploy window: use five cron fields, like \"0 9 * * MON-FRI\", and timezone for the zone", d.Schedule)
		}
		if w.Duration, err = time.ParseDuration(d.Duration); err != nil || w.Duration <= 0 || w.Duration > longestWindow {
			l.refuse(at("duration"), "duration %q of a deploy window: use a duration like 8h, up to 744h", d.Duration)
		}
		if w.Location, err = time.LoadLocation(cmp.Or(d.Timezone, "UTC")); err != nil || d.Timezone == "Local" {
			l.refuse(at("timezone"), "timezone %q of a deploy window: use a name like Europe/Berlin", d.Timezone)
		}
		out = append(out, w)
	}
	return out
}

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

type checkDocument struct {
	URL     string               `yaml:"url"`
	Service *manifest.ServiceRef `yaml:"service"`
	Test    bool                 `yaml:"test"`
	Expect  expectDocument       `yaml:"expect"`
}

type expectDocument struct {
	Status int            `yaml:"status"`
	JSON   map[string]any `yaml:"json"`
	Body   string         `yaml:"body"`
}

func (l *checker) checks(release int, docs []checkDocument) []manifest.Check {
	var out []manifest.Check
	for i, d := range docs {
		line := l.line("spec", "releases", release, "verify", i)
		if err := d.complete(); err != nil {
			l.refuse(line, "%v", err)
			continue
		}
		c := manifest.Check{URL: d.URL, Service: d.Service, Test: d.Test, Status: d.Expect.Status}
		var err error
		if c.JSON, err = jsonValues(d.Expect.JSON); err != nil {
			l.refuse(line, "expect.json of a check: %v", err)
		}
		if d.Expect.Body != "" {
			if c.Body, err = l.pattern(d.Expect.Body); err != nil {
				l.refuse(line, "expect.body of a check: %v", err)
			}
		}
		out = append(out, c)
	}
	return out
}

// complete fills in what a check may leave out, and says what it may not.
func (d *checkDocument) complete() error {
	kinds := 0
	for _, is := range []bool{d.URL != "", d.Service != nil, d.Test} {
		if is {
			kinds++
		}
	}
	if kinds != 1 {
		return fmt.Errorf("a check has exactly one of url, service and test")
	}
	if d.Test {
		if d.Expect.Status != 0 || d.Expect.JSON != nil || d.Expect.Body != "" {
			return fmt.Errorf("a check with test expects nothing else: its Jobs and Pods have to succeed")
		}
		return nil
	}
	d.Expect.Status = cmp.Or(d.Expect.Status, 200)
	if u, err := url.Parse(d.URL); d.URL != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		return fmt.Errorf("url %q of a check: use http:// or https:// and a host", d.URL)
	}
	if s := d.Service; s != nil {
		s.Path, s.Scheme = "/"+strings.TrimPrefix(s.Path, "/"), cmp.Or(s.Scheme, "http")
		if s.Name == "" || s.Port == "" || s.Scheme != "http" && s.Scheme != "https" {
			return fmt.Errorf("service of a check: it needs a name and a port, and scheme is http or https")
		}
		if err := s.Within(); err != nil {
			return fmt.Errorf("service of a check: %w", err)
		}
	}
	return nil
}

// jsonValues gives values the types that JSON has, to be compared with.
func jsonValues(v map[string]any) (map[string]any, error) {
	if v == nil {
		return nil, nil
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var out map[string]any
	return out, json.Unmarshal(raw, &out)
}
