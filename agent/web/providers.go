package web

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
)

// provider is how one kind of git server sends its events.
type provider struct {
	name, proof string // proof is the header that shows that the secret is known
	event       string // the header that names the kind of event; empty if every event counts
	pushes      []string
	scheme      scheme
	deliveries  []string // headers that tell one delivery from all others; the first one that is there counts
	dated       bool     // no two pushes have the same body
}

// The providers, told apart by the header that carries their proof. Gitea sends
// GitHub's headers as well, and GitHub an older one that is Bitbucket's.
var providers = []provider{
	{"gitea", "X-Gitea-Signature", "X-Gitea-Event", []string{"push"}, signature(""), []string{"X-Gitea-Delivery"}, true},
	{"gitea", "X-Forgejo-Signature", "X-Forgejo-Event", []string{"push"}, signature(""), []string{"X-Forgejo-Delivery", "X-Gitea-Delivery"}, true},
	{"gitlab", "X-Gitlab-Token", "X-Gitlab-Event", []string{"Push Hook", "Tag Push Hook", "System Hook"}, token{}, []string{"Idempotency-Key", "X-Gitlab-Event-UUID"}, false},
	{"github", "X-Hub-Signature-256", "X-GitHub-Event", []string{"push"}, signature("sha256="), []string{"X-GitHub-Delivery"}, true},
	{"bitbucket", "X-Hub-Signature", "X-Event-Key", []string{"repo:push", "repo:refs_changed"}, signature("sha256="), []string{"X-Request-UUID", "X-Request-Id"}, false},
	{"generic", "X-Signature-256", "", nil, signature("sha256="), []string{"Idempotency-Key"}, false},
}

// delivery names what a webhook is a delivery of; nothing if its provider does not
// say. What nobody signed is not enough by itself: GitLab gives several events that
// follow from one the same id, and who sends a copy can invent another id, but no
// other body.
func (p provider) delivery(h http.Header, body []byte) []string {
	for _, name := range p.deliveries {
		id := h.Get(name)
		if id == "" {
			continue
		}
		sum := sha256.Sum256(body)
		out := []string{p.name + " " + id + " " + hex.EncodeToString(sum[:])}
		if p.dated {
			out = append(out, p.name+" "+hex.EncodeToString(sum[:]))
		}
		return out
	}
	return nil
}

// scheme is a way to prove that the secret is known.
type scheme interface {
	// may reports whether a proof could be right, before the body is read.
	may(proof string, secret []byte) bool
	proves(proof string, secret, body []byte) bool
}

// signature is the body's HMAC-SHA256 in hexadecimal, behind a prefix.
type signature string

func (s signature) may(proof string, _ []byte) bool { return s.decode(proof) != nil }

func (s signature) proves(proof string, secret, body []byte) bool {
	mac := hmac.New(sha256.New, secret)
	mac.Write(body)
	return hmac.Equal(s.decode(proof), mac.Sum(nil))
}

// decode returns nothing if it is no such signature.
func (s signature) decode(proof string) []byte {
	text, ok := strings.CutPrefix(proof, string(s))
	got, err := hex.DecodeString(text)
	if !ok || err != nil || len(got) != sha256.Size {
		return nil
	}
	return got
}

// token is the secret itself.
type token struct{}

func (token) may(proof string, secret []byte) bool { return token{}.proves(proof, secret, nil) }

// proves compares hashes, which hide the secret's length.
func (token) proves(proof string, secret, _ []byte) bool {
	got, want := sha256.Sum256([]byte(proof)), sha256.Sum256(secret)
	return subtle.ConstantTimeCompare(got[:], want[:]) == 1
}

// payload is what the providers say of a push.
type payload struct {
	Ref  string // GitHub, GitLab, Gitea
	Push struct {
		Changes []struct{ New, Old *struct{ Type, Name string } }
	} // Bitbucket Cloud
	Changes json.RawMessage // Bitbucket Server; others have it for something else
}

// pushedRefs returns the refs that a push event is about.
func pushedRefs(contentType string, body []byte) ([]string, error) {
	if strings.HasPrefix(contentType, "application/x-www-form-urlencoded") {
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return nil, err
		}
		body = []byte(form.Get("payload"))
	}
	var p payload
	if err := json.Unmarshal(body, &p); err != nil {
		return nil, err
	}
	refs := []string{p.Ref}
	for _, c := range p.Push.Changes {
		for _, at := range []*struct{ Type, Name string }{c.New, c.Old} {
			switch {
			case at == nil:
			case strings.HasSuffix(at.Type, "tag"):
				refs = append(refs, "refs/tags/"+at.Name)
			default:
				refs = append(refs, "refs/heads/"+at.Name)
			}
		}
	}
	var changes []struct{ Ref struct{ ID string } }
	if json.Unmarshal(p.Changes, &changes) == nil {
		for _, c := range changes {
			refs = append(refs, c.Ref.ID)
		}
	}
	return refs, nil
}
