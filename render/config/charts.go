package config

import (
	"errors"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/xetys/tether/render/fetch"
)

// chart checks where a release's chart comes from.
func (l *checker) chart(at func(string) int, release, chart, version string) (string, *fetch.Reference) {
	switch {
	case chart == "":
		l.refuse(at("chart"), "release %s has no chart: name the chart's folder", release)
		return "", nil
	case fetch.Remote(chart):
		ref, err := fetch.ParseReference(chart, version)
		if err != nil {
			l.refuse(at("chart"), "chart %s of release %s: %v", fetch.Shown(chart), release, err)
		}
		return fetch.Shown(chart), &ref
	case version != "":
		l.refuse(at("version"), "version %s of release %s: a chart in the repository has its version in its Chart.yaml; remove it here", version, release)
	}
	p, ok := l.within(at("chart"), "chart", chart, ".")
	file := path.Join(p, "Chart.yaml")
	if Packed(p) {
		file = p
	}
	if ok {
		switch _, err := fs.Stat(l.files, file); {
		case errors.Is(err, fs.ErrNotExist):
			l.refuse(at("chart"), "chart %s of release %s does not exist: there is no %s", chart, release, file)
		case err != nil: // it lies in a submodule, perhaps
			l.refuse(at("chart"), "chart %s of release %s can't be read: %v", chart, release, Cause(err))
		}
	}
	return p, nil
}

var dnsName = regexp.MustCompile(`^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$`)

// ChartCredential names the Secret, in the environment's namespace, that holds the
// login for a host.
type ChartCredential struct{ Host, Secret string }

type credentialDocument struct {
	Host   string `yaml:"host"`
	Secret string `yaml:"secret"`
}

func (l *checker) credentials(docs []credentialDocument) []ChartCredential {
	var out []ChartCredential
	for i, d := range docs {
		at := func(field string) int { return l.line("spec", "chartCredentials", i, field) }
		host := strings.ToLower(d.Host)
		switch {
		case host == "" || strings.ContainsAny(host, "/@ "):
			l.refuse(at("host"), "chartCredentials: host %q: use a host's name, with its port if the charts' addresses have one", d.Host)
		case slices.ContainsFunc(out, func(c ChartCredential) bool { return c.Host == host }):
			l.refuse(at("host"), "chartCredentials: host %s is listed twice: remove one", d.Host)
		}
		if !dnsName.MatchString(d.Secret) || len(d.Secret) > 253 {
			l.refuse(at("secret"), "chartCredentials: secret %q of host %s: use the name of a Secret in the environment's namespace", d.Secret, d.Host)
		}
		out = append(out, ChartCredential{Host: host, Secret: d.Secret})
	}
	return out
}

// Packed reports whether a path is that of a packed chart.
func Packed(name string) bool { return path.Ext(name) == ".tgz" }
