package faults

import (
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"
)

// Match says which requests are meant. What is left empty matches all.
type Match struct {
	// Verbs are as in Request; "write" is each that is to change something.
	Verbs []string
	// Resources are plural names, with or without ".GROUP" behind.
	Resources []string
	// Subresource is a name, or "-" for requests without one.
	Subresource string
	// Namespace, Name and UserAgent are patterns as of path.Match.
	Namespace, Name, UserAgent string
	// DryRun is "yes" or "no".
	DryRun string
}

// Matches reports whether a request is meant.
func (m Match) Matches(r Request) bool {
	return m.verb(r) && m.resource(r) &&
		(m.Subresource == "" || m.Subresource == r.Subresource || m.Subresource == "-" && r.Subresource == "") &&
		like(m.Namespace, r.Namespace) && like(m.Name, r.Name) && like(m.UserAgent, r.UserAgent) &&
		(m.DryRun == "" || (m.DryRun == "yes") == r.DryRun)
}

func (m Match) verb(r Request) bool {
	for _, v := range m.Verbs {
		if v == r.Verb || v == "write" && r.Writes() {
			return true
		}
	}
	return len(m.Verbs) == 0
}

func (m Match) resource(r Request) bool {
	for _, one := range m.Resources {
		if one == r.Resource || one == r.Resource+"."+r.Group {
			return true
		}
	}
	return len(m.Resources) == 0
}

func like(pattern, text string) bool {
	if pattern == "" {
		return true
	}
	ok, err := path.Match(pattern, text)
	return ok && err == nil
}

// Fault is what becomes of a request that is meant.
type Fault struct {
	// Latency comes before everything else.
	Latency time.Duration
	// Status is answered in the server's place, as a Status object.
	Status int
	// Message and Reason are the Status object's; Reason may be empty, as etcd's
	// errors have none.
	Message, Reason string
	// RetryAfter is in seconds, as a header and in the Status object's details.
	RetryAfter int
	// Reset resets the connection, with all that is under way on it: "before" the
	// request is passed on, or "after" the server has answered, so that it is done
	// and nobody is told.
	Reset string
	// Blackhole keeps the request, unanswered, until the rule is removed or the
	// client gives up.
	Blackhole bool
}

// Rule is a fault, and whom it strikes.
type Rule struct {
	// Name is what it is removed by.
	Name string
	Match
	Fault
	// After is how many requests pass before it strikes, Times how many it
	// strikes; 0 is all. With Every it strikes each so manieth only.
	After, Times, Every int
}

func (r Rule) check() error {
	for what, pattern := range map[string]string{"namespace": r.Namespace, "name": r.Match.Name, "agent": r.UserAgent} {
		if _, err := path.Match(pattern, ""); err != nil {
			return fmt.Errorf("fault %s: %s %q: %w", r.Name, what, pattern, err)
		}
	}
	switch {
	case r.Name == "":
		return fmt.Errorf("a fault without a name can't be removed")
	case r.Reset != "" && r.Reset != "before" && r.Reset != "after":
		return fmt.Errorf("fault %s: reset %q: use before or after", r.Name, r.Reset)
	case r.DryRun != "" && r.DryRun != "yes" && r.DryRun != "no":
		return fmt.Errorf("fault %s: dryrun %q: use yes or no", r.Name, r.DryRun)
	case r.Fault == Fault{}:
		return fmt.Errorf("fault %s does nothing: give it status, latency, reset or blackhole", r.Name)
	}
	return nil
}

// ParseRule reads a rule from words KEY=VALUE, such as verb=apply,patch
// resource=deployments name=web* dryrun=no times=1 status=500.
func ParseRule(name string, words []string) (Rule, error) {
	r := Rule{Name: name}
	for _, word := range words {
		key, value, ok := strings.Cut(word, "=")
		if !ok {
			return r, fmt.Errorf("fault %s: %q is no KEY=VALUE", name, word)
		}
		known, err := r.Match.set(key, value)
		if !known && err == nil {
			known, err = r.set(key, value)
		}
		if err != nil {
			return r, fmt.Errorf("fault %s: %s: %w", name, word, err)
		}
		if !known {
			return r, fmt.Errorf("fault %s: %s is unknown", name, key)
		}
	}
	return r, r.check()
}

// ParseMatch reads a match from words KEY=VALUE.
func ParseMatch(words []string) (Match, error) {
	var m Match
	for _, word := range words {
		key, value, _ := strings.Cut(word, "=")
		known, err := m.set(key, value)
		if err != nil {
			return m, err
		}
		if !known {
			return m, fmt.Errorf("%s is unknown: use verb, resource, subresource, namespace, name, agent or dryrun", key)
		}
	}
	return m, nil
}

func (m *Match) set(key, value string) (known bool, err error) {
	switch key {
	case "verb":
		m.Verbs = strings.Split(value, ",")
	case "resource":
		m.Resources = strings.Split(value, ",")
	case "subresource":
		m.Subresource = value
	case "namespace":
		m.Namespace = value
	case "name":
		m.Name = value
	case "agent":
		m.UserAgent = value
	case "dryrun":
		m.DryRun = value
	default:
		return false, nil
	}
	return true, nil
}

func (r *Rule) set(key, value string) (known bool, err error) {
	switch key {
	case "status":
		r.Status, err = strconv.Atoi(value)
	case "message":
		r.Message = value
	case "reason":
		r.Reason = value
	case "retryafter":
		r.RetryAfter, err = strconv.Atoi(value)
	case "latency":
		r.Latency, err = time.ParseDuration(value)
	case "reset":
		r.Reset = value
	case "blackhole":
		r.Blackhole, err = strconv.ParseBool(value)
	case "times":
		r.Times, err = strconv.Atoi(value)
	case "every":
		r.Every, err = strconv.Atoi(value)
	case "after":
		r.After, err = strconv.Atoi(value)
	default:
		return false, nil
	}
	return true, err
}
