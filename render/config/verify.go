package config

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"github.com/xetys/tether/render/manifest"
)

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
