package git

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/xetys/tether/source/printable"
)

// App is a GitHub App that may read the repository, or write to it if commits are pushed.
type App struct {
	// ID is the App's ID or client ID, Installation the ID of its installation.
	ID, Installation string
	// Key is the App's private key in PEM.
	Key []byte
	// API is the API's URL; GitHub's own if empty.
	API string
}

// appTokens gets an App's tokens, each used until shortly before it runs out.
type appTokens struct {
	app    App
	client *http.Client
	pushes bool // the tokens have to be good for pushing

	token   string
	expires time.Time
}

// spare is how long before its end a token is renewed: longer than a fetch.
const spare = 10 * time.Minute

func (a App) check() error {
	if a.Installation == "" || len(a.Key) == 0 {
		return errors.New("a GitHub App needs an ID, the ID of its installation and a private key")
	}
	if _, err := jwt.ParseRSAPrivateKeyFromPEM(a.Key); err != nil {
		return errors.New("the GitHub App's key can't be read: it must be the RSA private key in PEM that GitHub made")
	}
	u, err := url.Parse(a.url())
	if err != nil || u.Host == "" || u.Scheme != "https" && !loopback(u.Hostname()) {
		return errors.New("the GitHub API's URL has to be https://…")
	}
	return nil
}

func (a App) url() string {
	return strings.TrimSuffix(cmp.Or(a.API, "https://api.github.com"), "/")
}

// assertion is what proves to GitHub that the key is here. It is dated back a
// minute, for clocks that differ.
func (a App) assertion(now time.Time) (string, error) {
	key, err := jwt.ParseRSAPrivateKeyFromPEM(a.Key)
	if err != nil {
		return "", errors.New("the key can't be read")
	}
	return jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.RegisteredClaims{
		Issuer: a.ID, IssuedAt: jwt.NewNumericDate(now.Add(-time.Minute)), ExpiresAt: jwt.NewNumericDate(now.Add(9 * time.Minute)),
	}).SignedString(key)
}

// get returns a token that lasts for a fetch.
func (t *appTokens) get(ctx context.Context, now time.Time) (string, error) {
	if t.token != "" && now.Add(spare).Before(t.expires) {
		return t.token, nil
	}
	assertion, err := t.app.assertion(now)
	if err != nil {
		return "", fmt.Errorf("sign in as GitHub App %s: %w", t.app.ID, err)
	}
	at := t.app.url() + "/app/installations/" + url.PathEscape(t.app.Installation) + "/access_tokens"
	body := []byte(`{"permissions":{"contents":"read"}}`)
	if t.pushes {
		body = []byte(`{"permissions":{"contents":"write"}}`)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, at, bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Authorization", "Bearer "+assertion)
	req.Header.Set("Accept", "application/vnd.github+json")
	resp, err := t.client.Do(req)
	if err != nil {
		return "", fmt.Errorf("ask for a token of GitHub App %s: %w", t.app.ID, err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return "", fmt.Errorf("ask for a token of GitHub App %s: %w", t.app.ID, err)
	}
	var answer struct {
		Token   string
		Expires time.Time `json:"expires_at"`
		Message string
	}
	err = json.Unmarshal(raw, &answer)
	if resp.StatusCode != http.StatusCreated || err != nil || answer.Token == "" {
		return "", fmt.Errorf("ask for a token of GitHub App %s, installation %s: %s says %s %s: check the IDs, the key, and that the App may read contents",
			t.app.ID, t.app.Installation, t.app.url(), printable.Line(resp.Status, maxAnswer), printable.Line(answer.Message, maxAnswer))
	}
	t.token, t.expires = answer.Token, answer.Expires
	return t.token, nil
}

// reject drops a token that the server did not take.
func (t *appTokens) reject() { t.token = "" }
