package page

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// A browser keeps the token in a cookie, sealed with a key of the agent's: who reads the
// cookie has the page until it expires, and not the token.
const (
	cookieName  = "tether"
	signedInFor = 8 * time.Hour
	maxForm     = 64 << 10
	maxToken    = 2800 // sealed, it is what browsers keep: 4 KiB
)

// seal seals tokens.
type seal struct {
	reader Reader
	now    func() time.Time

	mu  sync.Mutex
	box cipher.AEAD
}

// opened returns the box to seal with. The key is asked for until it is there.
func (s *seal) opened(ctx context.Context) (cipher.AEAD, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.box != nil {
		return s.box, nil
	}
	key, err := s.reader.Key(ctx, "cookies of the status page")
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	s.box, err = cipher.NewGCMWithRandomNonce(block)
	return s.box, err
}

// close seals a token until a time.
func (s *seal) close(ctx context.Context, token string, until time.Time) (string, error) {
	box, err := s.opened(ctx)
	if err != nil {
		return "", err
	}
	plain := append(binary.BigEndian.AppendUint64(nil, uint64(until.Unix())), token...)
	return base64.RawURLEncoding.EncodeToString(box.Seal(nil, nil, plain, []byte(cookieName))), nil
}

// open returns the token of a cookie; empty if it is none of ours, or too old.
func (s *seal) open(ctx context.Context, cookie string) string {
	raw, err := base64.RawURLEncoding.DecodeString(cookie)
	if err != nil {
		return ""
	}
	box, err := s.opened(ctx)
	if err != nil {
		return ""
	}
	plain, err := box.Open(nil, nil, raw, []byte(cookieName))
	if err != nil || len(plain) < 8 {
		return ""
	}
	if s.now().Unix() >= int64(binary.BigEndian.Uint64(plain)) {
		return ""
	}
	return string(plain[8:])
}

// known returns the request with the token of its cookie, as if it had been sent as one.
// A request with a token of its own (a proxy in front may add it) is left as it is.
func (p *Pages) known(r *http.Request) *http.Request {
	c, err := r.Cookie(cookieName)
	if err != nil || r.Header.Get("Authorization") != "" {
		return r
	}
	out := r.Clone(r.Context())
	if token := p.seal.open(r.Context(), c.Value); token != "" {
		out.Header.Set("Authorization", "Bearer "+token)
	}
	return out
}

func hasCookie(r *http.Request) bool {
	_, err := r.Cookie(cookieName)
	return err == nil
}

// local reports whether a request was made to this machine by the browser on it, as by
// kubectl port-forward.
func local(r *http.Request) bool {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// secret reports whether nobody on the way reads what a browser sends.
func secret(r *http.Request) bool {
	return local(r) || r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https")
}

// sameSite refuses what another site's page has a browser send.
var sameSite = http.NewCrossOriginProtection()

// signIn takes a token, if anybody has it, and goes on to the page that was wanted.
func (p *Pages) signIn(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	token := strings.TrimSpace(r.PostFormValue("token"))
	switch {
	case sameSite.Check(r) != nil:
		p.refuse(w, r, http.StatusForbidden, "sign in on this page, and not from another one")
		return
	case !secret(r):
		p.refuse(w, r, http.StatusForbidden, inTheClear)
		return
	case len(token) > maxToken:
		p.refuse(w, r, http.StatusBadRequest, "the token is too long for a cookie: use a ServiceAccount's, as below")
		return
	case token == "" || strings.ContainsAny(token, " \r\n"):
		p.refuse(w, r, http.StatusUnauthorized, "a token is one word; this is none")
		return
	}
	if err := p.holds(r, token); err != nil {
		p.refuse(w, r, err.status, err.why)
		return
	}
	until := p.Now().Add(signedInFor)
	sealed, err := p.seal.close(r.Context(), token, until)
	if err != nil {
		p.Log.Warn("a token can't be sealed", "error", err)
		p.refuse(w, r, http.StatusServiceUnavailable, "nobody can sign in now: the agent's log says why; try again")
		return
	}
	http.SetCookie(w, p.cookie(r, sealed, int(signedInFor.Seconds())))
	http.Redirect(w, r, next(r.PostFormValue("next")), http.StatusSeeOther)
}

const inTheClear = "whoever is on the way would read the token: come by https, or by kubectl port-forward and http://localhost"

// holds refuses a token that is nobody's. One that may read some environments alone is
// taken, and its holder finds the list refused.
func (p *Pages) holds(r *http.Request, token string) *refusal {
	as := r.Clone(r.Context())
	as.Header.Set("Authorization", "Bearer "+token)
	err := p.admit(as, "")
	var no *refusal
	if errors.As(err, &no) && no.status != http.StatusForbidden {
		return no
	}
	return nil
}

func (p *Pages) signOut(w http.ResponseWriter, r *http.Request) {
	if sameSite.Check(r) == nil {
		http.SetCookie(w, p.cookie(r, "", -1))
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// cookie is sent to this server alone, never by another site's page, and read by no script.
func (p *Pages) cookie(r *http.Request, value string, age int) *http.Cookie {
	return &http.Cookie{Name: cookieName, Value: value, Path: "/", MaxAge: age, HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: !local(r)}
}

// next is where to go on: a path of this server.
func next(path string) string {
	if !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || strings.ContainsAny(path, "\\\r\n\t") {
		return "/"
	}
	return path
}

// refused is the page of who does not see what he asked for.
type refused struct {
	frame
	Why string
	// Form says that a token may help.
	Form bool
	// Again loads the page once more: a browser that follows a link of another site's keeps
	// the cookie back, and sends it with what this page asks for.
	Again bool
	Next  string
}

func (refused) name() string { return "refused.html" }

// refuse says why there is nothing to see, and how to come to see it.
func (p *Pages) refuse(w http.ResponseWriter, r *http.Request, status int, why string) {
	doc := refused{frame: p.frame(r, "Tether"), Why: why, Next: "/"}
	if r.Method == http.MethodGet {
		doc.Next = next(r.URL.RequestURI())
	} else if wanted := r.PostFormValue("next"); wanted != "" {
		doc.Next = next(wanted)
	}
	switch {
	case status == http.StatusUnauthorized && fromElsewhere(r):
		doc.Again = true
	case status == http.StatusUnauthorized && p.SignIn && !secret(r):
		doc.Why = inTheClear
	case status == http.StatusUnauthorized && p.SignIn:
		doc.Form = true
		if r.Method == http.MethodGet {
			doc.Why = ""
		}
	case status == http.StatusBadRequest && p.SignIn:
		doc.Form = true
	}
	p.write(w, status, doc)
}

// fromElsewhere reports whether a browser followed a link of another site's.
func fromElsewhere(r *http.Request) bool {
	return r.Method == http.MethodGet && r.Header.Get("Sec-Fetch-Site") == "cross-site" && r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Authorization") == ""
}
