package fetch_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/xetys/tether/render/fetch"
	"github.com/xetys/tether/source/outbound"
	"github.com/xetys/tether/test/hosts"
)

func site(t *testing.T) *hosts.Site {
	t.Helper()
	s, err := hosts.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// pack packs a chart web of some version and returns the file.
func pack(t *testing.T, s *hosts.Site, version, into string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "web")
	if err := os.MkdirAll(filepath.Join(dir, "templates"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"Chart.yaml": "apiVersion: v2\nname: web\nversion: " + version + "\n", "templates/c.yaml": "# " + t.Name() + "\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Helm("package", dir, "--destination", into); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(into, "web-"+version+".tgz")
}

func index(t *testing.T, s *hosts.Site, dir string) {
	t.Helper()
	if _, err := s.Helm("repo", "index", dir); err != nil {
		t.Fatal(err)
	}
}

func registry(t *testing.T, s *hosts.Site) *hosts.Registry {
	t.Helper()
	r, err := s.Registry()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Stop)
	return r
}

func push(t *testing.T, r *hosts.Registry, archive string) string {
	t.Helper()
	digest, err := r.Push(archive)
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

// fetcher is one that trusts the site's authority and keeps what it fetches in dir;
// with logins it has the site's.
func fetcher(t *testing.T, s *hosts.Site, dir string, logins bool) *fetch.Fetcher {
	t.Helper()
	ca, err := os.ReadFile(s.Path("ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	o := fetch.Options{Dir: dir, CA: ca, Reach: outbound.Rule{Local: true}}
	if logins {
		if o.DockerConfig, err = os.ReadFile(s.Path("config.json")); err != nil {
			t.Fatal(err)
		}
	}
	f, err := fetch.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func reference(t *testing.T, chart, version string) fetch.Reference {
	t.Helper()
	r, err := fetch.ParseReference(chart, version)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func away(err error) bool {
	var a *fetch.AwayError
	return errors.As(err, &a)
}

func TestAPinNeedsNoNetworkOnceItWasFetched(t *testing.T) {
	t.Parallel()
	s, dir := site(t), t.TempDir()
	r := registry(t, s)
	archive := pack(t, s, "1.0.0", t.TempDir())
	ref := reference(t, "oci://"+r.Host+"/charts/web", "@"+push(t, r, archive))
	want, err := os.ReadFile(archive)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := fetcher(t, s, dir, false).Get(t.Context(), ref, nil, nil); err == nil || !strings.Contains(err.Error(), "wants a login (401 Unauthorized)") {
		t.Errorf("without a login: %v", err)
	}
	if have, _, err := fetcher(t, s, dir, true).Get(t.Context(), ref, nil, nil); err != nil || string(have) != string(want) {
		t.Fatalf("%v", err)
	}
	r.Stop()
	if have, _, err := fetcher(t, s, dir, false).Get(t.Context(), ref, nil, nil); err != nil || string(have) != string(want) {
		t.Errorf("with the registry stopped: %v", err)
	}
	if _, _, err := fetcher(t, s, t.TempDir(), true).Get(t.Context(), ref, nil, nil); !away(err) {
		t.Errorf("with the registry stopped and nothing kept: %v", err)
	}
}

// Who knows the digest of a chart that another environment's login brought does not have it by
// that: the host lets it be had, or nobody does.
func TestWhatALoginBroughtIsForItsEnvironment(t *testing.T) {
	t.Parallel()
	s, dir := site(t), t.TempDir()
	r := registry(t, s)
	archive := pack(t, s, "1.0.0", t.TempDir())
	digest := push(t, r, archive)
	ref := reference(t, "oci://"+r.Host+"/charts/web", "@"+digest)
	get := func(environment string, logins bool, pin *fetch.Pin) error {
		_, _, err := fetcher(t, s, dir, logins).Get(fetch.For(t.Context(), environment), ref, pin, nil)
		return err
	}
	if err := get("alpha", true, nil); err != nil {
		t.Fatal(err)
	}
	for name, pin := range map[string]*fetch.Pin{"by its digest": nil, "by a pin": {Resolved: "1.0.0", Digest: digest}} {
		if err := get("beta", false, pin); err == nil || !strings.Contains(err.Error(), "wants a login (401 Unauthorized)") {
			t.Errorf("without a login, %s: %v", name, err)
		}
	}
	if err := get("beta", true, nil); err != nil {
		t.Errorf("with a login: %v", err)
	}
	r.Stop()
	for _, environment := range []string{"alpha", "beta"} {
		if err := get(environment, false, nil); err != nil {
			t.Errorf("%s, with the registry stopped: %v", environment, err)
		}
	}
}

func TestVersionsRangesAndTagsOfARegistry(t *testing.T) {
	t.Parallel()
	s, dir := site(t), t.TempDir()
	r := registry(t, s)
	digests := map[string]string{}
	for _, v := range []string{"1.0.0", "1.2.0", "1.10.0", "1.11.0-rc.1", "2.0.0+build.7"} {
		digests[v] = push(t, r, pack(t, s, v, t.TempDir()))
	}
	f := fetcher(t, s, dir, true)
	for asked, want := range map[string]string{
		"1.2.0": "1.2.0", "^1.2": "1.10.0", "1.x": "1.10.0", "~1.2": "1.2.0", ">=1.11.0-0 <2": "1.11.0-rc.1", "2.0.0+build.7": "2.0.0+build.7", "*": "2.0.0+build.7",
	} {
		_, pin, err := f.Get(t.Context(), reference(t, "oci://"+r.Host+"/charts/web", asked), nil, nil)
		if err != nil || pin.Resolved != want || pin.Digest != digests[want] {
			t.Errorf("%s is %+v, %v; want %s", asked, pin, err, want)
		}
	}
	for asked, want := range map[string]string{"9.9.9": "has no such chart or version", "^9": "has no version of it within ^9", "latest": "has no such chart or version"} {
		if _, _, err := f.Get(t.Context(), reference(t, "oci://"+r.Host+"/charts/web", asked), nil, nil); err == nil || away(err) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", asked, err)
		}
	}
	if _, _, err := f.Get(t.Context(), reference(t, "oci://"+r.Host+"/charts/nothing", "^1"), nil, nil); err == nil || !strings.Contains(err.Error(), "has no such chart") {
		t.Errorf("a chart that is not there: %v", err)
	}
	// What was resolved before is kept to, though there is a newer one.
	pin := fetch.Pin{Resolved: "1.2.0", Digest: digests["1.2.0"]}
	if _, again, err := fetcher(t, s, t.TempDir(), true).Get(t.Context(), reference(t, "oci://"+r.Host+"/charts/web", "^1.2"), &pin, nil); err != nil || again.Digest != pin.Digest {
		t.Errorf("a range that was resolved before: %+v, %v", again, err)
	}
}

func TestARepository(t *testing.T) {
	t.Parallel()
	s, files, dir := site(t), t.TempDir(), t.TempDir()
	for _, v := range []string{"1.0.0", "1.2.0", "1.10.0", "1.11.0-rc.1"} {
		pack(t, s, v, files)
	}
	index(t, s, files)
	r := s.Repository(files)
	defer r.Close()
	login := func(secret map[string][]byte) fetch.Logins {
		return func(_ context.Context, host string) (*fetch.Login, error) {
			return fetch.SecretLogin("Secret prod/login", host, secret)
		}
	}
	good := login(map[string][]byte{"username": []byte(hosts.User), "password": []byte(hosts.Password + "\n")})
	f := fetcher(t, s, dir, false)
	get := func(chart, version string, l fetch.Logins) (fetch.Pin, error) {
		_, pin, err := f.Get(t.Context(), reference(t, r.URL+chart, version), nil, l)
		return pin, err
	}
	for asked, want := range map[string]string{"1.2.0": "1.2.0", "^1.2": "1.10.0", "~1.2": "1.2.0", ">=1.11.0-0": "1.11.0-rc.1"} {
		if pin, err := get("/web", asked, good); err != nil || pin.Resolved != want {
			t.Errorf("%s is %+v, %v; want %s", asked, pin, err, want)
		}
	}
	if _, err := get("/web-1.0.0.tgz", "", good); err != nil {
		t.Errorf("a packed chart: %v", err)
	}
	bad := login(map[string][]byte{"username": []byte("bob"), "password": []byte("guess")})
	for sentence, c := range map[string]struct {
		chart, version string
		logins         fetch.Logins
		want           string
	}{
		"a version that is not there": {"/web", "3.0.0", good, "has no version of it within 3.0.0"},
		"a chart that is not there":   {"/db", "3.0.0", good, "has no such chart or version"},
		"a file that is not there":    {"/db-1.tgz", "", good, "has no such chart or version"},
		"a folder that is none":       {"/deeper/web", "1.0.0", good, "there is no index.yaml"},
		"nobody's login":              {"/web", "1.0.0", nil, "wants a login (401 Unauthorized)"},
		"a wrong login":               {"/web", "1.0.0", bad, "does not let the login from Secret prod/login have it"},
		"a Secret without a login":    {"/web", "1.0.0", login(nil), "holds none of the keys"},
	} {
		if _, err := get(c.chart, c.version, c.logins); err == nil || away(err) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "guess") {
			t.Errorf("%s: %v", sentence, err)
		}
	}
	for _, status := range []int32{500, 503, 429} {
		r.Status.Store(status)
		if _, err := get("/web", "1.0.0", good); !away(err) {
			t.Errorf("%d: %v", status, err)
		}
	}
}

// An index may name what lies in a registry, which is asked with its own login.
func TestARepositoryThatNamesARegistry(t *testing.T) {
	t.Parallel()
	s, files := site(t), t.TempDir()
	r := registry(t, s)
	archive := pack(t, s, "1.0.0", t.TempDir())
	push(t, r, archive)
	text := fmt.Sprintf("entries:\n  web:\n  - {version: 1.0.0, digest: abc, urls: [\"oci://%s/charts/web:1.0.0\"]}\n", r.Host)
	if err := os.WriteFile(filepath.Join(files, "index.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	repository := s.Repository(files)
	defer repository.Close()
	repository.Open.Store(true)
	dir := t.TempDir()
	raw, pin, err := fetcher(t, s, dir, true).Get(t.Context(), reference(t, repository.URL+"/web", "^1"), nil, nil)
	want, rerr := os.ReadFile(archive)
	if err != nil || rerr != nil || string(raw) != string(want) {
		t.Fatalf("%v, %v", err, rerr)
	}
	r.Stop()
	if _, _, err := fetcher(t, s, dir, false).Get(t.Context(), reference(t, repository.URL+"/web", "^1"), &pin, nil); err != nil {
		t.Errorf("with the registry stopped: %v", err)
	}
}

// A registry on this machine may have no TLS.
func TestThisMachineIsReachedWithoutTLS(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "chart") }))
	defer server.Close()
	f, err := fetch.New(fetch.Options{Reach: outbound.Rule{Local: true}})
	if err != nil {
		t.Fatal(err)
	}
	raw, _, err := f.Get(t.Context(), reference(t, strings.Replace(server.URL, "http://", "https://", 1)+"/web.tgz", ""), nil, nil)
	if err != nil || string(raw) != "chart" {
		t.Errorf("%s, %v", raw, err)
	}
}

// Where this machine may not be reached, no chart comes from it, by whatever name.
func TestThisMachineIsReachedWhereThatIsAllowed(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { t.Errorf("%s was asked", r.URL) }))
	defer server.Close()
	f, err := fetch.New(fetch.Options{})
	if err != nil {
		t.Fatal(err)
	}
	host := server.Listener.Addr().String()
	for chart, version := range map[string]string{
		"https://" + host + "/web.tgz": "", "https://" + strings.Replace(host, "127.0.0.1", "localhost", 1) + "/charts/web": "1.0.0", "oci://" + host + "/charts/web": "1.0.0",
	} {
		if _, _, err := f.Get(t.Context(), reference(t, chart, version), nil, nil); err == nil || !strings.Contains(err.Error(), "the agent's own machine") {
			t.Errorf("%s: %v", chart, err)
		}
	}
}

func TestAnUntrustedCertificateIsRefused(t *testing.T) {
	t.Parallel()
	s := site(t)
	r := s.Repository(t.TempDir())
	defer r.Close()
	f, err := fetch.New(fetch.Options{Reach: outbound.Rule{Local: true}})
	if err != nil {
		t.Fatal(err)
	}
	ref := reference(t, r.URL+"/web", "1.0.0")
	if _, _, err := f.Get(t.Context(), ref, nil, nil); err == nil || !strings.Contains(err.Error(), "has a certificate that can't be trusted") {
		t.Errorf("%v", err)
	}
	ca, err := os.ReadFile(s.Path("ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	trusted := func(_ context.Context, host string) (*fetch.Login, error) {
		return fetch.SecretLogin("Secret prod/login", host, map[string][]byte{"ca.crt": ca})
	}
	if _, _, err := f.Get(t.Context(), ref, nil, trusted); err == nil || !strings.Contains(err.Error(), "does not let the login") {
		t.Errorf("with ca.crt in the Secret: %v", err)
	}
}

// An index is not read again while it is the same.
func TestAnIndexIsReadOnce(t *testing.T) {
	t.Parallel()
	s, files := site(t), t.TempDir()
	pack(t, s, "1.0.0", files)
	index(t, s, files)
	statuses := make(chan int, 10)
	at, stop := s.Handle(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		counted := &counting{ResponseWriter: w, status: 200}
		http.FileServer(http.Dir(files)).ServeHTTP(counted, req)
		if strings.HasSuffix(req.URL.Path, "index.yaml") {
			statuses <- counted.status
		}
	}))
	defer stop()
	f := fetcher(t, s, "", false)
	for _, want := range []int{200, 304} {
		if _, _, err := f.Get(t.Context(), reference(t, at+"/web", "^1"), nil, nil); err != nil {
			t.Fatal(err)
		}
		if have := <-statuses; have != want {
			t.Errorf("%d, not %d", have, want)
		}
	}
}

type counting struct {
	http.ResponseWriter
	status int
}

func (c *counting) WriteHeader(status int) {
	c.status = status
	c.ResponseWriter.WriteHeader(status)
}

func TestWhatIsChangedOnTheWayIsRefused(t *testing.T) {
	t.Parallel()
	s, files := site(t), t.TempDir()
	archive := pack(t, s, "1.0.0", files)
	index(t, s, files)
	r := s.Repository(files)
	defer r.Close()
	r.Open.Store(true)
	f := fetcher(t, s, "", false)
	_, pin, err := f.Get(t.Context(), reference(t, r.URL+"/web", "1.0.0"), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(archive, []byte("other"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := f.Get(t.Context(), reference(t, r.URL+"/web", "1.0.0"), nil, nil); err == nil || !strings.Contains(err.Error(), "is not what the digest in its index.yaml says") {
		t.Errorf("a file that is not what the index says: %v", err)
	}
	for _, ref := range []fetch.Reference{reference(t, r.URL+"/web-1.0.0.tgz", ""), reference(t, r.URL+"/web-1.0.0.tgz", "@"+pin.Digest)} {
		if _, _, err := f.Get(t.Context(), ref, &pin, nil); err == nil || !strings.Contains(err.Error(), "is another chart than it was") {
			t.Errorf("%s: %v", ref, err)
		}
	}
}

// A registry that sends something else than a digest says is not believed.
func TestABlobThatIsChangedInTheRegistryIsRefused(t *testing.T) {
	t.Parallel()
	s := site(t)
	r := registry(t, s)
	archive := pack(t, s, "1.0.0", t.TempDir())
	digest := push(t, r, archive)
	raw, err := os.ReadFile(archive)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(raw)
	name := hex.EncodeToString(sum[:])
	blob := filepath.Join(s.Dir, "registry/docker/registry/v2/blobs/sha256", name[:2], name, "data")
	raw[len(raw)-1]++
	if err := os.WriteFile(blob, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	_, _, err = fetcher(t, s, dir, true).Get(t.Context(), reference(t, "oci://"+r.Host+"/charts/web", "@"+digest), nil, nil)
	if err == nil || away(err) || !strings.Contains(err.Error(), "is not what its digest sha256:"+name+" says") {
		t.Errorf("%v", err)
	}
	if kept, _ := filepath.Glob(dir + "/sha256/*"); len(kept) > 0 {
		t.Errorf("it was kept: %v", kept)
	}
}

func TestAFileThatIsChangedInTheCacheIsFetchedAnew(t *testing.T) {
	t.Parallel()
	s, files, dir := site(t), t.TempDir(), t.TempDir()
	pack(t, s, "1.0.0", files)
	r := s.Repository(files)
	defer r.Close()
	r.Open.Store(true)
	f, ref := fetcher(t, s, dir, false), reference(t, r.URL+"/web-1.0.0.tgz", "")
	want, pin, err := f.Get(t.Context(), ref, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := f.Get(t.Context(), ref, &pin, nil); err != nil || r.Requests.Load() != 1 {
		t.Errorf("%d requests, %v", r.Requests.Load(), err)
	}
	kept := filepath.Join(dir, "sha256", strings.TrimPrefix(pin.Digest, "sha256:"))
	if err := os.WriteFile(kept, []byte("other"), 0o600); err != nil {
		t.Fatal(err)
	}
	have, _, err := f.Get(t.Context(), ref, &pin, nil)
	if err != nil || string(have) != string(want) || r.Requests.Load() != 2 {
		t.Errorf("%d requests, %v", r.Requests.Load(), err)
	}
}

// What asks for a password is not the host that gets it: a redirect leads elsewhere.
func TestCredentialsStayWithTheirHost(t *testing.T) {
	t.Parallel()
	s, files := site(t), t.TempDir()
	pack(t, s, "1.0.0", files)
	var leaked []string
	elsewhere, stop := s.Handle(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		for _, name := range []string{"Authorization", "Cookie", "Referer"} {
			if req.Header.Get(name) != "" {
				leaked = append(leaked, req.URL.Path+" "+name)
			}
		}
		if req.URL.Path == "/first.tgz" {
			http.Redirect(w, req, "/web-1.0.0.tgz", http.StatusFound)
			return
		}
		http.FileServer(http.Dir(files)).ServeHTTP(w, req)
	}))
	defer stop()
	at, stop2 := s.Handle(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if _, _, ok := req.BasicAuth(); !ok {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		to := elsewhere + "/first.tgz"
		if strings.HasPrefix(req.URL.Path, "/clear") {
			to = "http://example.com/web.tgz?signature=hidden"
		}
		http.Redirect(w, req, to, http.StatusFound)
	}))
	defer stop2()
	login := func(_ context.Context, host string) (*fetch.Login, error) {
		return fetch.SecretLogin("a Secret", host, map[string][]byte{"username": []byte("ann"), "password": []byte("pw")})
	}
	f := fetcher(t, s, "", false)
	if _, _, err := f.Get(t.Context(), reference(t, at+"/web-1.0.0.tgz", ""), nil, login); err != nil || len(leaked) > 0 {
		t.Errorf("%v, %v", leaked, err)
	}
	_, _, err := f.Get(t.Context(), reference(t, at+"/clear/web-1.0.0.tgz", ""), nil, login)
	if err == nil || !strings.Contains(err.Error(), "leads to an address with http://") || strings.Contains(err.Error(), "hidden") {
		t.Errorf("a redirect to http://: %v", err)
	}
}

func TestWhatIsTooLargeIsRefused(t *testing.T) {
	t.Parallel()
	s := site(t)
	at, stop := s.Handle(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		block := make([]byte, 1<<20)
		if strings.HasSuffix(req.URL.Path, "index.yaml") {
			block = []byte(strings.Repeat("# comment, and nothing but that\n", 1<<15))
		}
		for range 70 {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	}))
	defer stop()
	f := fetcher(t, s, "", false)
	if _, _, err := f.Get(t.Context(), reference(t, at+"/web-1.0.0.tgz", ""), nil, nil); err == nil || !strings.Contains(err.Error(), "more than 20 MiB packed") {
		t.Errorf("a chart: %v", err)
	}
	if _, _, err := f.Get(t.Context(), reference(t, at+"/web", "1.0.0"), nil, nil); err == nil || !strings.Contains(err.Error(), "more than 64 MiB") {
		t.Errorf("an index: %v", err)
	}
}

func TestADockerConfig(t *testing.T) {
	t.Parallel()
	for sentence, c := range map[string]struct{ text, want string }{
		"a helper for all":      {`{"credsStore":"desktop"}`, "credential helper"},
		"a helper for one":      {`{"credHelpers":{"example.com":"x"}}`, "credential helper"},
		"what is no JSON":       {`secret`, "is not JSON"},
		"a login that is none":  {`{"auths":{"example.com":{"auth":"!secret"}}}`, "base64"},
		"a login that is there": {`{"auths":{"example.com":{"auth":"YW5uOnB3"}}}`, ""},
	} {
		_, err := fetch.New(fetch.Options{DockerConfig: []byte(c.text)})
		if (err == nil) != (c.want == "") || err != nil && (!strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret")) {
			t.Errorf("%s: %v", sentence, err)
		}
	}
	f, err := fetch.New(fetch.Options{DockerConfig: []byte(`{"auths":{"https://index.docker.io/v1/":{"auth":"YW5uOnB3"}}}`)})
	if err != nil || f.Login("docker.io") == nil || f.Login("registry-1.docker.io") == nil || f.Login("example.com") != nil {
		t.Errorf("%v", err)
	}
}

// How long a host was waited for is said.
func TestAHostThatIsSilent(t *testing.T) {
	for sentence, c := range map[string]struct {
		err  error
		want string
	}{
		"that takes no connection": {&net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}, "example.com can't answer: no connection within 10s"},
		"that sends no answer":     {os.ErrDeadlineExceeded, "example.com can't answer: no answer within 30s"},
		"that sends it slowly":     {context.DeadlineExceeded, "example.com can't answer: not done within 1m0s"},
	} {
		err := fetch.Explained("example.com", &url.Error{Op: "Get", URL: "https://example.com/x", Err: c.err})
		if !away(err) || err.Error() != c.want {
			t.Errorf("%s: %v", sentence, err)
		}
	}
}

// Processes that share a cache don't see what others are writing or dropping.
func TestACacheIsShared(t *testing.T) {
	t.Parallel()
	s, files, dir := site(t), t.TempDir(), t.TempDir()
	r := s.Repository(files)
	defer r.Close()
	r.Open.Store(true)
	for i := range 4 {
		if err := os.WriteFile(filepath.Join(files, fmt.Sprintf("x-%d.tgz", i)), bytes.Repeat([]byte{byte(i)}, 100_000), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var all sync.WaitGroup
	for range 4 {
		f := fetcher(t, s, dir, false)
		f.Bound(250_000)
		all.Go(func() {
			var pins [4]*fetch.Pin
			for i := range 40 {
				n := i % 4
				raw, pin, err := f.Get(t.Context(), reference(t, fmt.Sprintf("%s/x-%d.tgz", r.URL, n), ""), pins[n], nil)
				if err != nil || len(raw) != 100_000 || raw[0] != byte(n) {
					t.Errorf("%d: %d bytes, %v", n, len(raw), err)
				}
				pins[n] = &pin
			}
		})
	}
	all.Wait()
}

// The cache stays within its bound, and drops what was used last least.
func TestTheCacheIsBounded(t *testing.T) {
	t.Parallel()
	s, files, dir := site(t), t.TempDir(), t.TempDir()
	r := s.Repository(files)
	defer r.Close()
	r.Open.Store(true)
	f := fetcher(t, s, dir, false)
	f.Bound(250)
	for i := range 4 {
		name := fmt.Sprintf("x-%d.tgz", i)
		if err := os.WriteFile(filepath.Join(files, name), []byte(strings.Repeat(fmt.Sprint(i), 100)), 0o600); err != nil {
			t.Fatal(err)
		}
		_, pin, err := f.Get(t.Context(), reference(t, r.URL+"/"+name, ""), nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		old := time.Now().Add(time.Duration(i-10) * time.Minute)
		if err := os.Chtimes(filepath.Join(dir, "sha256", strings.TrimPrefix(pin.Digest, "sha256:")), old, old); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := filepath.Glob(dir + "/sha256/*")
	if err != nil || len(kept) != 2 {
		t.Fatalf("%v, %v", kept, err)
	}
	for _, k := range kept {
		raw, err := os.ReadFile(k)
		if err != nil || !strings.ContainsAny(string(raw[:1]), "23") {
			t.Errorf("%s holds %.3s, %v", k, raw, err)
		}
	}
}
