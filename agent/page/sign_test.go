package page

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/xetys/tether/test/sample"
)

// tokens lets in who holds a token: all, or one environment alone.
type tokens map[string]string

func (t tokens) Admits(r *http.Request, environment string) (int, string) {
	allowed, ok := t[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]
	switch {
	case !ok:
		return http.StatusUnauthorized, "the cluster does not know this token"
	case allowed != "*" && allowed != environment:
		return http.StatusForbidden, "who holds this token may not"
	}
	return http.StatusOK, ""
}

func signedPages(now *time.Time) http.Handler {
	p := &Pages{Reader: sample.Few(), Gate: tokens{"all": "*", "one": "demo"}, SignIn: true, Now: func() time.Time { return *now }, Log: slog.New(slog.DiscardHandler)}
	return p.Handler()
}

// post signs in, at a host, and returns the answer and its cookie.
func post(t *testing.T, h http.Handler, host string, form url.Values, header ...string) (*httptest.ResponseRecorder, *http.Cookie) {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "http://"+host+"/sign-in", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		return w, c
	}
	return w, nil
}

func TestABrowserSignsIn(t *testing.T) {
	now := sample.Now
	h := signedPages(&now)
	if w := ask(t, h, "/environments/demo"); w.Code != http.StatusUnauthorized || !strings.Contains(w.Body.String(), `value="/environments/demo"`) || strings.Contains(w.Body.String(), "jonas") {
		t.Errorf("without a token: %d %s", w.Code, w.Body)
	}
	w, cookie := post(t, h, "localhost:8080", url.Values{"token": {"all"}, "next": {"/environments/demo"}}, "Sec-Fetch-Site", "same-origin")
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/environments/demo" || cookie == nil {
		t.Fatalf("%d %v", w.Code, w.Header())
	}
	if !cookie.HttpOnly || cookie.SameSite != http.SameSiteStrictMode || cookie.MaxAge != 8*3600 || cookie.Secure || strings.Contains(cookie.Value, "all") {
		t.Errorf("the cookie is %+v", cookie)
	}
	as := "tether=" + cookie.Value
	if w := ask(t, h, "/environments/demo", "Cookie", as); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "Sign out") {
		t.Errorf("signed in: %d", w.Code)
	}
	if w := ask(t, h, "/", "Cookie", as[:len(as)-2]+"xx"); w.Code != http.StatusUnauthorized {
		t.Errorf("a cookie that somebody changed: %d", w.Code)
	}
	now = now.Add(signedInFor)
	if w := ask(t, h, "/", "Cookie", as); w.Code != http.StatusUnauthorized {
		t.Errorf("after %s: %d", signedInFor, w.Code)
	}
}

func TestWhoIsNotSignedIn(t *testing.T) {
	now := sample.Now
	h := signedPages(&now)
	for sentence, c := range map[string]struct {
		host   string
		form   url.Values
		header []string
		status int
	}{
		"a token of nobody's":                     {"localhost", url.Values{"token": {"else"}}, nil, 401},
		"no token":                                {"localhost", nil, nil, 401},
		"a token of two lines":                    {"localhost", url.Values{"token": {"a\nb"}}, nil, 401},
		"one that no cookie holds":                {"localhost", url.Values{"token": {strings.Repeat("x", 3000)}}, nil, 400},
		"by another site's form":                  {"localhost", url.Values{"token": {"all"}}, []string{"Sec-Fetch-Site", "cross-site"}, 403},
		"in the clear":                            {"tether.example.com", url.Values{"token": {"all"}}, nil, 403},
		"in the clear by an address":              {"10.0.0.7:8080", url.Values{"token": {"all"}}, nil, 403},
		"a name that begins as this machine does": {"localhost.example.com", url.Values{"token": {"all"}}, nil, 403},
	} {
		w, cookie := post(t, h, c.host, c.form, c.header...)
		if w.Code != c.status || cookie != nil {
			t.Errorf("%s: %d, cookie %v", sentence, w.Code, cookie)
		}
	}
	w, cookie := post(t, h, "tether.example.com", url.Values{"token": {"all"}, "next": {"//evil.example.com"}}, "X-Forwarded-Proto", "https")
	if w.Code != http.StatusSeeOther || !cookie.Secure || w.Header().Get("Location") != "/" {
		t.Errorf("behind an Ingress with TLS: %d %+v to %s", w.Code, cookie, w.Header().Get("Location"))
	}
}

func TestWhoMayReadOneEnvironmentSeesThatAlone(t *testing.T) {
	now := sample.Now
	h := signedPages(&now)
	_, cookie := post(t, h, "localhost", url.Values{"token": {"one"}})
	as := "tether=" + cookie.Value
	text := ask(t, h, "/", "Cookie", as).Body.String()
	if !strings.Contains(text, "/environments/demo") || strings.Contains(text, "production") || strings.Contains(text, "Bump backend") {
		t.Errorf("it sees\n%s", text)
	}
	for path, status := range map[string]int{"/environments/demo": 200, "/environments/production": 403, commitPath: 403, "/environments/production/live": 403} {
		if w := ask(t, h, path, "Cookie", as); w.Code != status {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

// A browser keeps the cookie back when a link of another site's was followed: the page asks
// for itself once more, and once only.
func TestALinkFromElsewhereAsksAgain(t *testing.T) {
	now := sample.Now
	h := signedPages(&now)
	w := ask(t, h, "/environments/demo", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate")
	if !strings.Contains(w.Body.String(), `content="0"`) {
		t.Error("it does not")
	}
	w = ask(t, h, "/environments/demo", "Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "navigate")
	if strings.Contains(w.Body.String(), `content="0"`) || !strings.Contains(w.Body.String(), "password") {
		t.Error("it asks without end")
	}
}

// Writing is not offered: nothing but signing in and out is taken.
func TestNothingIsWritten(t *testing.T) {
	h := pagesOf(sample.Few()).Handler()
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch} {
		for _, path := range []string{"/", "/environments/production", "/sign-in", "/live"} {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(method, "http://localhost"+path, nil))
			if w.Code != http.StatusNotFound && w.Code != http.StatusMethodNotAllowed {
				t.Errorf("%s %s: %d", method, path, w.Code)
			}
		}
	}
}
