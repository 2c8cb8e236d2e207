package notify

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"net/mail"
	"net/url"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/xetys/tether/agent/ledger"
)

// Config says who is told what. It is not changed after it was read.
type Config struct {
	// BehindFor is how long a release is behind git until that is told.
	BehindFor time.Duration
	rules     []rule
}

// rule is a sink and what it is told.
type rule struct {
	name         string
	environments []string
	releases     []string
	verdicts     []ledger.Verdict
	kinds        []Kind
	sink         sink
}

// document is a Config as it is written.
type document struct {
	BehindFor string         `yaml:"behindFor"`
	Sinks     []sinkDocument `yaml:"sinks"`
}

type sinkDocument struct {
	Name         string           `yaml:"name"`
	Environments []string         `yaml:"environments"`
	Releases     []string         `yaml:"releases"`
	Verdicts     []ledger.Verdict `yaml:"verdicts"`
	Kinds        []Kind           `yaml:"kinds"`

	Slack     *slack     `yaml:"slack"`
	Teams     *teams     `yaml:"teams"`
	Email     *email     `yaml:"email"`
	PagerDuty *pagerDuty `yaml:"pagerDuty"`
	Webhook   *webhook   `yaml:"webhook"`
	Grafana   *grafana   `yaml:"grafana"`
	// Alertmanager is one of one's own; the chart's alerts come by Prometheus.
	Alertmanager *alertmanager `yaml:"alertmanager"`

	GitHub    *forge `yaml:"github"`
	GitLab    *forge `yaml:"gitlab"`
	Gitea     *forge `yaml:"gitea"`
	Bitbucket *forge `yaml:"bitbucket"`
}

const (
	defaultBehindFor = time.Hour
	maxSinks         = 20
)

// Parse reads a Config. Errors name the sink, and no value that may be secret.
func Parse(raw []byte) (*Config, error) {
	var doc document
	d := yaml.NewDecoder(bytes.NewReader(raw))
	d.KnownFields(true)
	if err := d.Decode(&doc); err != nil && !errors.Is(err, io.EOF) {
		return nil, withoutQuotes(err)
	}
	c := &Config{BehindFor: defaultBehindFor}
	if doc.BehindFor != "" {
		var err error
		if c.BehindFor, err = time.ParseDuration(doc.BehindFor); err != nil || c.BehindFor <= 0 {
			return nil, fmt.Errorf("behindFor %q: use a duration like 1h", doc.BehindFor)
		}
	}
	if len(doc.Sinks) > maxSinks {
		return nil, fmt.Errorf("it has %d sinks: up to %d are told", len(doc.Sinks), maxSinks)
	}
	for i, s := range doc.Sinks {
		r, err := s.rule()
		if err != nil {
			return nil, fmt.Errorf("sink %s: %w", cmp.Or(s.Name, fmt.Sprint(i+1)), err)
		}
		if slices.ContainsFunc(c.rules, func(other rule) bool { return other.name == r.name }) {
			return nil, fmt.Errorf("sink %s: there are two of that name", r.name)
		}
		c.rules = append(c.rules, r)
	}
	return c, nil
}

// withoutQuotes is an error of the parser without what it quotes: that may be a token.
func withoutQuotes(err error) error {
	var te *yaml.TypeError
	if !errors.As(err, &te) {
		return err
	}
	var lines []string
	for _, l := range te.Errors {
		if strings.Contains(l, "cannot unmarshal") {
			at, _, _ := strings.Cut(l, ":")
			_, into, _ := strings.Cut(l, " into ")
			l = at + ": a value of the wrong type, not " + into
		}
		lines = append(lines, l)
	}
	return errors.New(strings.Join(lines, "; "))
}

func (d *sinkDocument) rule() (rule, error) {
	r := rule{name: d.Name, environments: d.Environments, releases: d.Releases, verdicts: d.Verdicts, kinds: d.Kinds}
	if d.Name == "" || strings.ContainsAny(d.Name, " \n\t/") {
		return r, errors.New("give it a name, without spaces")
	}
	for _, p := range slices.Concat(d.Environments, d.Releases) {
		if _, err := path.Match(p, ""); err != nil {
			return r, fmt.Errorf("pattern %q can't be read", p)
		}
	}
	for _, v := range d.Verdicts {
		if !slices.Contains(ledger.All[:], v) {
			return r, fmt.Errorf("verdict %q: use one of %s", v, joined(ledger.All[:]))
		}
	}
	for _, k := range d.Kinds {
		if !slices.Contains(kinds, k) {
			return r, fmt.Errorf("kind %q: use one of %s", k, joined(kinds))
		}
	}
	return r, d.choose(&r)
}

func joined[T ~string](words []T) string {
	var out []string
	for _, w := range words {
		out = append(out, string(w))
	}
	return strings.Join(out, ", ")
}

// These are told to sinks whose rule does not say: chats get the verdicts of deploys, mail and
// incidents the failures, hosts of git every verdict.
var (
	deployed = []ledger.Verdict{ledger.Progressing, ledger.Applied, ledger.Failed, ledger.RolledBack, ledger.Refused, ledger.Held}
	wrong    = []ledger.Verdict{ledger.Failed, ledger.RolledBack, ledger.Refused}
	goingOn  = []Kind{Deploy, Drift, Fight, Unhealthy, Behind}
)

// choose finds the sink that a document describes, and what it is told by default.
func (d *sinkDocument) choose(r *rule) error {
	found := 0
	add := func(s sink, verdicts []ledger.Verdict, kinds []Kind) {
		found++
		r.sink = s
		if len(r.verdicts) == 0 {
			r.verdicts = verdicts
		}
		if len(r.kinds) == 0 {
			r.kinds = kinds
		}
	}
	var errs []error
	if s := d.Slack; s != nil {
		s.API = cmp.Or(s.API, "https://slack.com/api")
		errs = append(errs, given("token", s.Token), given("channel", s.Channel), goodAddress("api", s.API))
		add(s, deployed, kinds)
	}
	if s := d.Teams; s != nil {
		errs = append(errs, goodAddress("url", s.URL))
		add(s, deployed, goingOn)
	}
	if s := d.Email; s != nil {
		errs = append(errs, s.check())
		add(s, wrong, goingOn)
	}
	if s := d.PagerDuty; s != nil {
		s.API = cmp.Or(s.API, "https://events.pagerduty.com")
		errs = append(errs, given("routingKey", s.RoutingKey), goodAddress("api", s.API))
		add(s, append([]ledger.Verdict{ledger.Applied, ledger.NoOp}, wrong...), []Kind{Deploy, Fight, Unhealthy})
	}
	if s := d.Webhook; s != nil {
		errs = append(errs, goodAddress("url", s.URL))
		add(s, ledger.All[:], kinds)
	}
	if s := d.Grafana; s != nil {
		errs = append(errs, goodAddress("url", s.URL), given("token", s.Token))
		add(s, deployed, kinds)
	}
	if s := d.Alertmanager; s != nil {
		errs = append(errs, goodAddress("url", s.URL), goodLabels(s.Labels))
		add(s, append([]ledger.Verdict{ledger.Applied, ledger.NoOp}, wrong...), goingOn)
	}
	for kind, f := range map[string]*forge{"github": d.GitHub, "gitlab": d.GitLab, "gitea": d.Gitea, "bitbucket": d.Bitbucket} {
		if f != nil {
			f.kind = kind
			f.URL = strings.TrimSuffix(cmp.Or(f.URL, forgeHosts[kind]), "/")
			errs = append(errs, goodAddress("url", f.URL), given("token", f.Token), f.check())
			add(f, ledger.All[:], []Kind{Deploy})
		}
	}
	if found != 1 {
		errs = append(errs, fmt.Errorf("give it one of %s", strings.Join(sinkFields(), ", ")))
	}
	return errors.Join(errs...)
}

// sinkFields are the fields of a sinkDocument that describe a sink: its pointers.
func sinkFields() []string {
	var out []string
	for f := range reflect.TypeFor[sinkDocument]().Fields() {
		if f.Type.Kind() == reflect.Pointer {
			out = append(out, f.Tag.Get("yaml"))
		}
	}
	return out
}

var labelName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

// goodLabels says which name no label of Alertmanager's can have.
func goodLabels(labels map[string]string) error {
	for name := range labels {
		if !labelName.MatchString(name) {
			return fmt.Errorf("labels: %q is no label's name: use letters, digits and _", name)
		}
	}
	return nil
}

var forgeHosts = map[string]string{"github": "https://api.github.com", "gitlab": "https://gitlab.com", "bitbucket": "https://api.bitbucket.org"}

func given(field, value string) error {
	if value == "" {
		return fmt.Errorf("give it a %s", field)
	}
	return nil
}

// goodAddress says what is wrong with an address; it does not show it.
func goodAddress(field, address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return fmt.Errorf("%s: use an address that begins with https://", field)
	}
	if ip := net.ParseIP(u.Hostname()); u.Scheme == "http" && u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("%s: use https; over http what is sent to %s can be read on its way", field, u.Host)
	}
	return nil
}

func (e *email) check() error {
	if _, _, err := net.SplitHostPort(e.Server); err != nil {
		return errors.New("server: use host:port")
	}
	if e.StartTLS != "" && e.StartTLS != "required" && e.StartTLS != "none" {
		return fmt.Errorf("startTLS %q: use required or none", e.StartTLS)
	}
	if len(e.To) == 0 {
		return errors.New("to: give it somebody's address")
	}
	for _, a := range append([]string{e.From}, e.To...) {
		if _, err := mail.ParseAddress(a); err != nil {
			return fmt.Errorf("%q is no mail address", a)
		}
	}
	return nil
}

// Names lists the sinks.
func (c *Config) Names() []string {
	var out []string
	for _, r := range c.rules {
		out = append(out, r.name)
	}
	return out
}

// begins reports whether a rule has a notice told that was not told yet.
func (r *rule) begins(n Notice) bool {
	if !slices.Contains(r.kinds, n.Kind) || !r.sink.follows() && !n.Ended() && !n.Bad() {
		return false
	}
	return n.Kind != Deploy || slices.Contains(r.verdicts, ledger.Verdict(n.State))
}

// goesOn reports whether a rule has a notice told that was told before and is another now.
func (r *rule) goesOn(n Notice) bool { return r.sink.follows() || n.Ended() || n.Bad() }
