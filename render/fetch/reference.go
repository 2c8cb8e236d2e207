package fetch

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"path"
	"regexp"
	"strings"

	"github.com/Masterminds/semver/v3"
)

// Reference names a chart that lies outside of the repository.
type Reference struct {
	// URL is oci://HOST/PATH, or the URL of a chart repository or of a packed chart.
	URL string
	// Name is the chart's name in a chart repository; empty elsewhere.
	Name string
	// Version is a version, a range or a tag; empty for a packed chart, and where
	// the digest says it all.
	Version string
	// Digest pins what is fetched, as sha256:…: an OCI manifest, or a packed chart.
	Digest string
}

// Chart is the reference without its version, as environment.yaml has it.
func (r Reference) Chart() string {
	if r.Name == "" {
		return r.URL
	}
	return r.URL + "/" + r.Name
}

// Asked is the version as environment.yaml has it.
func (r Reference) Asked() string {
	if r.Digest == "" {
		return r.Version
	}
	return r.Version + "@" + r.Digest
}

// String returns chart and version.
func (r Reference) String() string { return strings.TrimSpace(r.Chart() + " " + r.Asked()) }

// Exact reports whether the reference means one chart for good: a digest, a packed
// chart's URL or a version, of which nobody should publish a second one.
func (r Reference) Exact() bool { return r.Digest != "" || r.Version == "" || IsVersion(r.Version) }

func (r Reference) oci() bool { return strings.HasPrefix(r.URL, "oci://") }

// host is the host, with its port, that credentials are for.
func (r Reference) host() string { return hostOf(r.URL) }

func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Host)
}

// IsVersion reports whether text is one version, and no range or tag.
func IsVersion(text string) bool {
	_, err := semver.StrictNewVersion(strings.TrimPrefix(text, "v"))
	return err == nil
}

// Remote reports whether a chart lies outside of the repository.
func Remote(chart string) bool { return strings.Contains(chart, "://") }

// Shown is a chart's address without what may be secret in it.
func Shown(chart string) string {
	u, err := url.Parse(chart)
	if err != nil {
		scheme, _, _ := strings.Cut(chart, "://")
		return scheme + "://…"
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

var (
	digests = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
	tags    = regexp.MustCompile(`^\w[\w.+-]{0,127}$`)
	names   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)
)

// ParseReference reads what environment.yaml says of a chart that lies elsewhere:
// an address, and a version.
func ParseReference(chart, version string) (Reference, error) {
	u, err := address(chart)
	if err != nil {
		return Reference{}, err
	}
	var r Reference
	if r.Version, r.Digest, err = parseVersion(version); err != nil {
		return Reference{}, err
	}
	r.URL = u.Scheme + "://" + u.Host + strings.TrimSuffix(u.EscapedPath(), "/")
	switch {
	case u.Scheme == "oci":
		return r, checkOCI(r, u)
	case strings.HasSuffix(u.Path, ".tgz"):
		if r.Version != "" {
			return r, errors.New("its address names a packed chart, which has its version: leave version out, or give @sha256:… alone")
		}
		return r, nil
	}
	r.URL, r.Name = r.URL[:strings.LastIndex(r.URL, "/")], path.Base(u.Path)
	switch {
	case strings.Trim(u.Path, "/") == "" || !names.MatchString(r.Name):
		return r, errors.New("its address has to be that of a chart repository with the chart's name at the end, or of a .tgz file")
	case version == "":
		return r, errors.New("version is missing: give a version, or a range like ^1.2")
	case r.Version == "":
		return r, errors.New("a digest alone does not say which file of a chart repository it is: write the version before the @")
	case !IsVersion(r.Version) && !isRange(r.Version):
		return r, fmt.Errorf("version %q is no version and no range: write 1.2.3, or a range like ^1.2", r.Version)
	}
	return r, nil
}

// address checks a chart's URL.
func address(chart string) (*url.URL, error) {
	u, err := url.Parse(chart)
	switch {
	case err != nil || u.Host == "":
		return nil, errors.New("its address is no URL")
	case u.User != nil:
		return nil, errors.New("its address holds credentials, which don't belong into git: name a Secret in spec.chartCredentials")
	case u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("its address goes on after the path: leave out all from the ? or #")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return nil, errors.New("http:// can be read and changed by anybody on the way: use https://")
	case u.Scheme != "oci" && u.Scheme != "https" && u.Scheme != "http":
		return nil, fmt.Errorf("%s:// is not supported: use oci://, https://, or a path in the repository", u.Scheme)
	}
	return u, nil
}

func checkOCI(r Reference, u *url.URL) error {
	last := path.Base(u.Path)
	switch {
	case strings.ContainsAny(last, ":@"):
		return errors.New("its address ends in a tag or a digest: write that as its version")
	case strings.Trim(u.Path, "/") == "":
		return errors.New("its address has no path: write oci://HOST/PATH")
	case r.Version == "" && r.Digest == "":
		return errors.New("version is missing: give a version, a range like ^1.2, a tag or @sha256:…")
	case r.Version != "" && !isRange(r.Version) && !tags.MatchString(r.Version):
		return fmt.Errorf("version %q is no version, no range and no tag", r.Version)
	}
	return nil
}

func parseVersion(text string) (version, digest string, err error) {
	version, digest, pinned := strings.Cut(text, "@")
	if pinned && !digests.MatchString(digest) || strings.HasPrefix(text, "sha256:") {
		return "", "", fmt.Errorf("version %q is no digest: write @sha256: and 64 hexadecimal digits", text)
	}
	if pinned && version != "" && !IsVersion(version) {
		return "", "", fmt.Errorf("version %q: before a digest stands a whole version, like 1.2.3, or nothing", text)
	}
	return version, digest, nil
}

func isRange(text string) bool {
	_, err := semver.NewConstraint(text)
	return err == nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
