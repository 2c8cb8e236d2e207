package config

import (
	"cmp"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
	"go.yaml.in/yaml/v3"
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
	maxWindow  = 31 * 24 * time.Hour
	maxWindows = 50 // each costs the agent time whenever it decides
)

func (l *checker) windows(docs []windowDocument) []Window {
	if len(docs) > maxWindows {
		l.refuse(l.line("spec", "deployWindows"), "deployWindows has %d windows: up to %d can be read", len(docs), maxWindows)
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
		if w.Duration, err = time.ParseDuration(d.Duration); err != nil || w.Duration <= 0 || w.Duration > maxWindow {
			l.refuse(at("duration"), "duration %q of a deploy window: use a duration like 8h, up to 744h", d.Duration)
		}
		if w.Location, err = time.LoadLocation(cmp.Or(d.Timezone, "UTC")); err != nil || d.Timezone == "Local" {
			l.refuse(at("timezone"), "timezone %q of a deploy window: use a name like Europe/Berlin", d.Timezone)
		}
		out = append(out, w)
	}
	return out
}
