package render_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/xetys/tether/render"
	"github.com/xetys/tether/render/fetch"
	"github.com/xetys/tether/source/outbound"
	"github.com/xetys/tether/test/hosts"
)

// shop is a chart repository that only one user may read, and its files.
type shop struct {
	*hosts.Repository
	site  *hosts.Site
	files string
}

func newShop(t *testing.T) *shop {
	t.Helper()
	site, err := hosts.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s := &shop{site: site, files: t.TempDir()}
	s.Repository = site.Repository(s.files)
	t.Cleanup(s.Close)
	return s
}

// publish publishes a chart whose ConfigMap says its version.
func (s *shop) publish(t *testing.T, name, version string) {
	t.Helper()
	file := fmt.Sprintf("%s-%s.tgz", name, version)
	raw := archive(t, entry{name: name + "/Chart.yaml", text: "apiVersion: v2\nname: " + name + "\nversion: " + version + "\n"},
		entry{name: name + "/templates/c.yaml", text: "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: " + name + "}\ndata: {version: {{ .Chart.Version }}}\n"})
	if err := os.WriteFile(filepath.Join(s.files, file), raw, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.site.Helm("repo", "index", s.files); err != nil {
		t.Fatal(err)
	}
}

// secrets are what environments refer to.
type secrets map[string]map[string][]byte

func (s secrets) Read(_ context.Context, ref render.Reference) (map[string][]byte, error) {
	if s == nil {
		return nil, errors.New("connection refused")
	}
	if data := s[ref.String()]; data != nil {
		return data, nil
	}
	return nil, fmt.Errorf("%s: %w", ref, fs.ErrNotExist)
}

var loginSecret = map[string][]byte{"username": []byte(hosts.User), "password": []byte(hosts.Password)}

// config trusts the shop's certificate, and keeps what is fetched in dir.
func (s *shop) config(t *testing.T, dir string, refs render.References) render.Config {
	t.Helper()
	ca, err := os.ReadFile(s.site.Path("ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	f, err := fetch.New(fetch.Options{Dir: dir, CA: ca, Reach: outbound.Rule{Local: true}})
	if err != nil {
		t.Fatal(err)
	}
	return render.Config{Charts: f, References: refs}
}

// rendered prepares and renders release web with what was resolved before.
func rendered(t *testing.T, c render.Config, files fs.FS, pins []fetch.Pin, sameCommit bool) (string, []fetch.Pin, error) {
	t.Helper()
	env, err := render.LoadEnvironment(files, "prod")
	if err != nil {
		return "", nil, err
	}
	env.Pins.Prefer(pins, sameCommit)
	r := render.NewRenderer(c)
	p, err := r.Prepare(t.Context(), files, env, env.Releases[0])
	if err != nil {
		return "", nil, err
	}
	rel, err := r.Render(t.Context(), p, render.Options{Revision: 1, Capabilities: render.OfflineCapabilities("", nil)})
	if err != nil {
		return "", nil, err
	}
	return render.Text(rel), env.Pins.Used(), nil
}

func (s *shop) spec(chart string) string {
	return environment("  namespace: prod\n  chartCredentials: [{host: \"" + s.Host + "\", secret: login}]\n  releases:\n    - {name: web, chart: " + chart + "}")
}

func TestARangeIsResolvedOncePerCommit(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.publish(t, "web", "1.0.0")
	refs := secrets{"Secret prod/login": loginSecret}
	files := repo(t, s.spec(s.URL+"/web, version: ^1.0"))
	text, first, err := rendered(t, s.config(t, t.TempDir(), refs), files, nil, false)
	if err != nil || !strings.Contains(text, "version: 1.0.0") || len(first) != 1 || first[0].Resolved != "1.0.0" || first[0].Version != "^1.0" {
		t.Fatalf("%v, %v\n%s", err, first, text)
	}
	s.publish(t, "web", "1.1.0")
	for sentence, c := range map[string]struct {
		sameCommit bool
		want       string
	}{
		"the same commit, on an empty disk": {true, "version: 1.0.0"},
		"another commit":                    {false, "version: 1.1.0"},
	} {
		if text, _, err := rendered(t, s.config(t, t.TempDir(), refs), files, first, c.sameCommit); err != nil || !strings.Contains(text, c.want) {
			t.Errorf("%s: %v\n%s", sentence, err, text)
		}
	}
}

func TestAVersionThatWasFetchedNeedsNoNetwork(t *testing.T) {
	t.Parallel()
	s, dir := newShop(t), t.TempDir()
	s.publish(t, "web", "1.0.0")
	files := repo(t, s.spec(s.URL+"/web, version: 1.0.0"))
	_, pins, err := rendered(t, s.config(t, dir, secrets{"Secret prod/login": loginSecret}), files, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	s.Status.Store(503)
	if _, _, err := rendered(t, s.config(t, dir, secrets(nil)), files, pins, false); err != nil {
		t.Errorf("%v", err)
	}
	var away *render.AwayError
	if _, _, err := rendered(t, s.config(t, t.TempDir(), secrets{"Secret prod/login": loginSecret}), files, pins, true); !errors.As(err, &away) || !strings.Contains(err.Error(), s.Host+" can't answer: 503") {
		t.Errorf("with nothing kept: %v", err)
	}
	// Somebody published another chart under the same version.
	s.Status.Store(0)
	raw := archive(t, chartYAML, entry{name: "web/x", text: "x"})
	if err := os.WriteFile(filepath.Join(s.files, "web-1.0.0.tgz"), raw, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.site.Helm("repo", "index", s.files); err != nil {
		t.Fatal(err)
	}
	for sameCommit, want := range map[bool]string{true: "is another chart than it was", false: ""} {
		_, _, err := rendered(t, s.config(t, t.TempDir(), secrets{"Secret prod/login": loginSecret}), files, pins, sameCommit)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("same commit %v: %v", sameCommit, err)
		}
	}
}

func TestLoginsForCharts(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.publish(t, "web", "1.0.0")
	docker := []byte(fmt.Sprintf(`{"auths":{%q:{"username":%q,"password":%q}}}`, s.Host, hosts.User, hosts.Password))
	for sentence, c := range map[string]struct {
		refs render.References
		away bool
		want string
	}{
		"a user name and a password":  {secrets{"Secret prod/login": loginSecret}, false, ""},
		"a docker config":             {secrets{"Secret prod/login": {".dockerconfigjson": docker}}, false, ""},
		"one for another host":        {secrets{"Secret prod/login": {".dockerconfigjson": []byte(`{"auths":{}}`)}}, false, "Secret prod/login holds no login for " + s.Host},
		"a Secret that is not there":  {secrets{}, false, "Secret prod/login, which is to hold the login for " + s.Host + ", does not exist"},
		"a cluster that can't answer": {secrets(nil), true, "read the login for " + s.Host},
		"no cluster":                  {nil, false, "Secret prod/login, which is not read without a cluster: give --registry-config"},
		"a wrong password":            {secrets{"Secret prod/login": {"username": []byte("ann"), "password": []byte("guess")}}, false, "does not let the login from Secret prod/login have it"},
	} {
		_, _, err := rendered(t, s.config(t, t.TempDir(), c.refs), repo(t, s.spec(s.URL+"/web, version: 1.0.0")), nil, false)
		var away *render.AwayError
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) || errors.As(err, &away) != c.away {
			t.Errorf("%s: %v", sentence, err)
		}
		if err != nil && strings.Contains(err.Error(), "guess") {
			t.Errorf("%s: the password is said: %v", sentence, err)
		}
	}
}

func TestDependenciesFromElsewhere(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.Open.Store(true)
	s.publish(t, "db", "1.0.0")
	s.publish(t, "db", "1.1.0")
	s.publish(t, "db", "2.0.0")
	folder := filepath.Join(t.TempDir(), "web")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	const about = "apiVersion: v2\nname: web\nversion: 1.0.0\n"
	declared := func(version, repository string) string {
		return about + "dependencies: [{name: db, version: \"" + version + "\", repository: \"" + repository + "\"}]\n"
	}
	if err := os.WriteFile(filepath.Join(folder, "Chart.yaml"), []byte(declared("~1.0", s.URL)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.site.Helm("repo", "add", "shop", s.URL, "--ca-file", s.site.Path("ca.pem")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.site.Helm("dependency", "update", folder); err != nil {
		t.Fatal(err)
	}
	lock, err := os.ReadFile(filepath.Join(folder, "Chart.lock"))
	if err != nil {
		t.Fatal(err)
	}
	vendored, err := os.ReadFile(filepath.Join(folder, "charts", "db-1.0.0.tgz"))
	if err != nil {
		t.Fatal(err)
	}
	s.publish(t, "db", "1.0.1")
	for sentence, c := range map[string]struct {
		chart, lock string
		vendored    bool
		want        string
	}{
		"the version that Chart.lock says":  {declared("~1.0", s.URL), string(lock), false, "version: 1.0.0"},
		"a range without a Chart.lock":      {declared("~1.0", s.URL), "", false, "version: 1.0.1"},
		"a version without a Chart.lock":    {declared("1.1.0", s.URL+"/"), "", false, "version: 1.1.0"},
		"what is vendored":                  {declared("^1.0", "https://nowhere.example.com"), "", true, "version: 1.0.0"},
		"a Chart.lock that is out of sync":  {declared("^2", s.URL), string(lock), false, "its dependency db: the chart's Chart.lock is out of sync with its Chart.yaml: run helm dependency update"},
		"a version that is not there":       {declared("^3", s.URL), "", false, "has no version of it within ^3"},
		"an alias":                          {declared("^1", "@shop"), "", false, "repository @shop is an alias"},
		"an address that is refused":        {declared("^1", "http://example.com"), "", false, "use https://"},
		"an address with a password in it":  {declared("^1", "https://ann:hidden@example.com"), "", false, "holds credentials"},
		"a repository that is not answered": {declared("^1", "https://127.0.0.1:1"), "", false, "127.0.0.1:1 can't answer: dial: connect: connection refused"},
	} {
		files := repo(t, environment("  namespace: prod\n  releases:\n    - {name: web, chart: charts/web}")).(fstest.MapFS)
		files["charts/web/Chart.yaml"] = &fstest.MapFile{Data: []byte(c.chart)}
		if c.lock != "" {
			files["charts/web/Chart.lock"] = &fstest.MapFile{Data: []byte(c.lock)}
		}
		if c.vendored {
			files["charts/web/charts/db-1.0.0.tgz"] = &fstest.MapFile{Data: vendored}
		}
		text, _, err := rendered(t, s.config(t, t.TempDir(), nil), files, nil, false)
		if err != nil {
			text = err.Error()
		}
		if !strings.Contains(text, c.want) || strings.Contains(text, "hidden") {
			t.Errorf("%s: %s", sentence, text)
		}
	}
}

func TestChartsFromElsewhereThatAreRefused(t *testing.T) {
	t.Parallel()
	const digest = "@sha256:00"
	for fields, want := range map[string]string{
		"chart: oci://example.com/web":                                                 "version is missing",
		"chart: https://example.com/web":                                               "version is missing",
		"chart: https://example.com, version: 1.0.0":                                   "the chart's name at the end",
		"chart: https://example.com/web-1.0.0.tgz, version: 1.0.0":                     "leave version out",
		"chart: oci://example.com/web:1.0.0, version: 1.0.0":                           "ends in a tag or a digest",
		"chart: oci://example.com/web, version: \"" + digest + "\"":                    "64 hexadecimal digits",
		"chart: http://example.com/web, version: 1.0.0":                                "use https://",
		"chart: \"https://ann:hidden@example.com/web\", version: 1.0.0":                "holds credentials",
		"chart: \"https://example.com/web?token=hidden\", version: 1.0.0":              "leave out all from the ? or #",
		"chart: s3://bucket/web, version: 1.0.0":                                       "s3:// is not supported",
		"chart: https://example.com/web, version: newest":                              "no version and no range",
		"chart: oci://example.com/web, version: \"a b\"":                               "no version, no range and no tag",
		"chart: charts/web, version: 1.0.0":                                            "has its version in its Chart.yaml",
		"chart: charts/gone.tgz":                                                       "there is no charts/gone.tgz",
		"chart: oci://example.com/web, version: 1.x@sha256:" + strings.Repeat("0", 64): "a whole version",
	} {
		_, _, err := prepareAll(repo(t, environment("  namespace: prod\n  releases:\n    - {name: web, "+fields+"}")))
		if err == nil || !strings.Contains(err.Error(), "environments/prod/environment.yaml:7: ") || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%s: %v", fields, err)
		}
	}
}
