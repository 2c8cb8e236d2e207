package notify

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/xetys/tether/agent/ledger"
)

// asked is one request that a sink made.
type asked struct {
	line   string // method and path
	header http.Header
	body   map[string]any
	raw    []byte
}

// far is the other side of a sink: it keeps what it is asked, and answers.
type far struct {
	*httptest.Server
	mu     sync.Mutex
	asked  []asked
	answer func(n int, a asked) (int, string)
}

func newFar(t *testing.T, answer func(n int, a asked) (int, string)) *far {
	f := &far{answer: answer}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := asked{line: r.Method + " " + r.URL.EscapedPath(), header: r.Header}
		a.raw, _ = io.ReadAll(r.Body)
		var body any
		if err := json.Unmarshal(a.raw, &body); err != nil && r.Method != http.MethodGet {
			t.Errorf("%s: %v: %s", a.line, err, a.raw)
		}
		a.body, _ = body.(map[string]any) // Alertmanager is sent a list
		f.mu.Lock()
		f.asked = append(f.asked, a)
		code, text := f.answer(len(f.asked), a)
		f.mu.Unlock()
		w.WriteHeader(code)
		_, _ = io.WriteString(w, text)
	}))
	t.Cleanup(f.Close)
	return f
}

func (f *far) lines() (out []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range f.asked {
		out = append(out, a.line)
	}
	return out
}

func fine(int, asked) (int, string) { return http.StatusOK, "{}" }

func noticeOf(v ledger.Verdict) Notice { return deploy(prod(), entry("a", v, 0)) }

func send(t *testing.T, s sink, n Notice, known string) string {
	t.Helper()
	known, err := s.send(t.Context(), n, known)
	if err != nil {
		t.Fatal(err)
	}
	return known
}

func TestSlackEditsItsMessageAndSaysWhatIsBadBelowIt(t *testing.T) {
	f := newFar(t, func(n int, a asked) (int, string) {
		return 200, fmt.Sprintf(`{"ok":true,"channel":"C9","ts":"%d.0"}`, n)
	})
	s := &slack{Token: "t", Channel: "#deploys", API: f.URL}
	n := noticeOf(ledger.Progressing)
	n.Title = "prod: <!channel> & *bold*"
	known := send(t, s, n, "")
	send(t, s, noticeOf(ledger.Failed), known)
	if have, want := strings.Join(f.lines(), ", "), "POST /chat.postMessage, POST /chat.update, POST /chat.postMessage"; have != want {
		t.Fatalf("have %s, want %s", have, want)
	}
	first, edit, reply := f.asked[0], f.asked[1], f.asked[2]
	if first.header.Get("Authorization") != "Bearer t" || first.body["text"] != "prod: &lt;!channel&gt; &amp; ∗bold∗" {
		t.Errorf("the message is %s with %v", first.raw, first.header)
	}
	if edit.body["channel"] != "C9" || edit.body["ts"] != "1.0" || reply.body["thread_ts"] != "2.0" {
		t.Errorf("the edit is %s, and the reply %s", edit.raw, reply.raw)
	}
}

func TestSlackPostsAnewWhatItCanNotEdit(t *testing.T) {
	f := newFar(t, func(n int, a asked) (int, string) {
		if strings.HasSuffix(a.line, "update") {
			return 200, `{"ok":false,"error":"message_not_found"}`
		}
		return 200, `{"ok":true,"channel":"C9","ts":"7.0"}`
	})
	s := &slack{Token: "t", Channel: "C", API: f.URL}
	if known := send(t, s, noticeOf(ledger.Applied), "C9 1.0"); known != "C9 7.0" {
		t.Errorf("it is known as %s", known)
	}
}

func TestPagerDutyIsTriggeredByWhatIsBadAndResolvedByWhatIsLive(t *testing.T) {
	f := newFar(t, fine)
	p := &pagerDuty{RoutingKey: "k", API: f.URL}
	for _, v := range []ledger.Verdict{ledger.Failed, ledger.Superseded, ledger.Applied} {
		send(t, p, noticeOf(v), "")
	}
	if len(f.asked) != 2 {
		t.Fatalf("asked %v", f.lines())
	}
	trigger, resolve := f.asked[0].body, f.asked[1].body
	payload, _ := trigger["payload"].(map[string]any)
	if trigger["event_action"] != "trigger" || trigger["routing_key"] != "k" || payload["severity"] != "error" || !strings.Contains(fmt.Sprint(payload["summary"]), "prod: failed aaaaaaa") {
		t.Errorf("the trigger is %v", trigger)
	}
	if resolve["event_action"] != "resolve" || resolve["dedup_key"] != trigger["dedup_key"] {
		t.Errorf("the end is %v", resolve)
	}
}

// Environments of one name in two clusters are two: neither ends what the other began.
func TestWhatTwoClustersSayStaysApart(t *testing.T) {
	keys := map[any]string{}
	for _, of := range []string{"one", "two"} {
		f := newFar(t, func(int, asked) (int, string) { return http.StatusAccepted, "{}" })
		c, err := Parse(fmt.Appendf(nil, "sinks: [{name: a, pagerDuty: {routingKey: k, api: '%[1]s'}}, {name: b, alertmanager: {url: '%[1]s'}}]", f.URL))
		if err != nil {
			t.Fatal(err)
		}
		n := New(Notifier{Config: c, Store: &shelf{}, Leads: func() bool { return true }, Now: func() time.Time { return noon },
			Failed: func(_ string, err error) { t.Error(err) }, Origin: func(context.Context) (string, error) { return of, nil }})
		n.deliver(t.Context(), prod(entry("a", ledger.Failed, 0)))
		if len(f.asked) != 2 {
			t.Fatalf("asked %v", f.lines())
		}
		var alerts []struct{ Labels map[string]string }
		if err := json.Unmarshal(f.asked[1].raw, &alerts); err != nil {
			t.Fatal(err)
		}
		for _, key := range []any{f.asked[0].body["dedup_key"], fmt.Sprint(alerts[0].Labels)} {
			if before := keys[key]; before != "" {
				t.Errorf("%v is of %s and of %s", key, before, of)
			}
			keys[key] = of
		}
	}
}

func TestAWebhookIsASignedCloudEvent(t *testing.T) {
	f := newFar(t, fine)
	send(t, &webhook{URL: f.URL + "/hook", Secret: "s"}, noticeOf(ledger.Applied), "")
	a := f.asked[0]
	mac := hmac.New(sha256.New, []byte("s"))
	mac.Write(a.raw)
	if have, want := a.header.Get("X-Hub-Signature-256"), "sha256="+hex.EncodeToString(mac.Sum(nil)); have != want {
		t.Errorf("signed as %s, want %s", have, want)
	}
	if a.header.Get("Ce-Specversion") != "1.0" || a.header.Get("Ce-Type") != "cloud.stytex.tether.deploy" || a.header.Get("Ce-Id") == "" || a.body["state"] != "applied" {
		t.Errorf("have %v %s", a.header, a.raw)
	}
}

func TestHostsOfGitShowAStatus(t *testing.T) {
	sha := strings.Repeat("a", 40)
	for kind, c := range map[string]struct{ line, state, header string }{
		"github":    {"POST /repos/acme/config/statuses/" + sha, "failure", "Authorization: Bearer t"},
		"gitea":     {"POST /api/v1/repos/acme/config/statuses/" + sha, "failure", "Authorization: token t"},
		"gitlab":    {"POST /api/v4/projects/acme%2Fconfig/statuses/" + sha, "failed", "Private-Token: t"},
		"bitbucket": {"POST /2.0/repositories/acme/config/commit/" + sha + "/statuses/build", "FAILED", "Authorization: Bearer t"},
	} {
		t.Run(kind, func(t *testing.T) {
			f := newFar(t, fine)
			n := noticeOf(ledger.RolledBack)
			n.Lines = []string{strings.Repeat("ä", 500)}
			send(t, &forge{URL: f.URL, Repository: "acme/config", Token: "t", kind: kind}, n, "")
			a := f.asked[0]
			name, value, _ := strings.Cut(c.header, ": ")
			if a.line != c.line || a.body["state"] != c.state || a.header.Get(name) != value {
				t.Errorf("asked %s %s with %v", a.line, a.raw, a.header)
			}
			if d := []rune(fmt.Sprint(a.body["description"])); len(d) != maxDescription {
				t.Errorf("the description has %d letters", len(d))
			}
		})
	}
}

// Agents of two clusters with environments of one name don't write over each other's status.
func TestStatusesOfSeveralClustersAreApart(t *testing.T) {
	for kind, names := range map[string]string{"github": "context", "gitea": "context", "gitlab": "name", "bitbucket": "key"} {
		f := newFar(t, fine)
		for _, cluster := range []string{"", "eu", "us"} {
			send(t, &forge{URL: f.URL, Repository: "acme/config", Token: "t", kind: kind, Cluster: cluster}, noticeOf(ledger.Applied), "")
		}
		env := noticeOf(ledger.Applied).Environment
		for i, want := range []string{"tether/" + env, "tether/eu/" + env, "tether/us/" + env} {
			if have := f.asked[i].body[names]; have != want {
				t.Errorf("%s: %v, want %s", kind, have, want)
			}
		}
	}
}

func TestTeamsAndGrafanaAreTold(t *testing.T) {
	f := newFar(t, func(int, asked) (int, string) { return 200, `{"id": 42}` })
	send(t, &teams{URL: f.URL + "/workflow"}, noticeOf(ledger.Failed), "")
	g := &grafana{URL: f.URL, Token: "t"}
	if known := send(t, g, noticeOf(ledger.Applied), send(t, g, noticeOf(ledger.Progressing), "")); known != "42" {
		t.Errorf("it is known as %s", known)
	}
	if have, want := strings.Join(f.lines(), ", "), "POST /workflow, POST /api/annotations, PATCH /api/annotations/42"; have != want {
		t.Errorf("asked %s, want %s", have, want)
	}
	if text := string(f.asked[0].raw); !strings.Contains(text, "application/vnd.microsoft.card.adaptive") || !strings.Contains(text, "attention") {
		t.Errorf("the card is %s", text)
	}
}

func TestNoRedirectIsFollowedAndNoSecretShown(t *testing.T) {
	other := newFar(t, fine)
	f := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	defer f.Close()
	_, err := (&webhook{URL: f.URL + "/s3cret", Secret: "s"}).send(t.Context(), noticeOf(ledger.Applied), "")
	if err == nil || strings.Contains(err.Error(), "s3cret") || len(other.lines()) > 0 {
		t.Errorf("have %v, and the other was asked %v", err, other.lines())
	}
}

// mailbox is an SMTP server that keeps the mails that it is given, and speaks no TLS.
func mailbox(t *testing.T) (address string, mails func() []string) {
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var all []string
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			text := converse(c)
			mu.Lock()
			all = append(all, text)
			mu.Unlock()
		}
	}()
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String(), func() []string { mu.Lock(); defer mu.Unlock(); return all }
}

func converse(c net.Conn) string {
	defer c.Close()
	say := func(text string) { _, _ = io.WriteString(c, text+"\r\n") }
	say("220 mail.example")
	var text strings.Builder
	for in := bufio.NewScanner(c); in.Scan(); {
		line := in.Text()
		switch verb, _, _ := strings.Cut(strings.ToUpper(line), " "); verb {
		case "DATA":
			say("354 go on")
			for in.Scan() && in.Text() != "." {
				text.WriteString(in.Text() + "\n")
			}
			say("250 kept")
		case "QUIT":
			say("221 bye")
			return text.String()
		default:
			say("250 ok")
		}
	}
	return text.String()
}

func TestMailsOfOneMatterAreOneConversation(t *testing.T) {
	address, mails := mailbox(t)
	e := &email{Server: address, From: "tether@example.com", To: []string{"oncall@example.com"}, StartTLS: "none"}
	n := noticeOf(ledger.Failed)
	n.Title += "\r\nBcc: thief@example.com"
	id := send(t, e, n, "")
	send(t, e, noticeOf(ledger.Applied), id)
	all := mails()
	for len(all) < 2 {
		all = mails()
	}
	head, _, _ := strings.Cut(all[0], "\n\n")
	if !strings.Contains(all[0], "prod:_failed_aaaaaaa") || strings.Contains(head, "\nBcc:") || !strings.Contains(all[0], "<"+id+">") {
		t.Errorf("the first is\n%s", all[0])
	}
	if !strings.Contains(all[1], "In-Reply-To: <"+id+">") {
		t.Errorf("the second is\n%s", all[1])
	}
}

func TestMailIsNotSentInTheOpenUnlessThatIsConfigured(t *testing.T) {
	address, mails := mailbox(t)
	e := &email{Server: address, From: "tether@example.com", To: []string{"oncall@example.com"}, Username: "u", Password: "s3cret"}
	_, err := e.send(context.WithoutCancel(t.Context()), noticeOf(ledger.Failed), "")
	if err == nil || strings.Contains(err.Error(), "s3cret") || strings.Contains(strings.Join(mails(), ""), "Subject") {
		t.Errorf("have %v and %q", err, mails())
	}
}

// What a commit says, or somebody wrote into the memory, is text in a mail's headers, and no
// header of its own.
func TestNoTextIsAHeaderOfAMail(t *testing.T) {
	const evil = "x\r\nBcc: eve@example.com\r\n\r\n<b>\nCc: eve@example.com\x00\u2028Bcc: e"
	address, mails := mailbox(t)
	n := noticeOf(ledger.Failed)
	n.Title, n.Repository, n.Commit.Author = evil, evil, evil
	send(t, &email{Server: address, From: "a@example.com", To: []string{"b@example.com"}, StartTLS: "none"}, n, evil+">")
	all := mails()
	for len(all) == 0 {
		all = mails()
	}
	header, _, _ := strings.Cut(strings.ReplaceAll(all[0], "\r", ""), "\n\n")
	for line := range strings.Lines(header) {
		name, _, _ := strings.Cut(line, ":")
		if strings.EqualFold(name, "Bcc") || strings.EqualFold(name, "Cc") || strings.HasPrefix(line, "<b>") {
			t.Errorf("the header has %q:\n%s", line, header)
		}
	}
	if !strings.Contains(header, "In-Reply-To") || !strings.Contains(header, "To: <b@example.com>") {
		t.Errorf("the header is cut:\n%s", header)
	}
}

// What somebody made of the memory is begun anew, or told of as what it is.
func TestAMemoryOfGarbage(t *testing.T) {
	for _, text := range []string{"{", "null", "[]", `{"sent": null, "begun": [null]}`, `{"sent": [null, {}]}`, `{"sent": {"a": 1}}`, "\x00", `{"begun": ["hook"], "sent": [{"sink": "hook", "notice": {"id": "", "state": "open"}}]}`} {
		d := newDesk(t, "")
		d.shelf.text = text
		d.deliver(t.Context(), prod(entry("a", ledger.Failed, 0)))
		if told := d.told(); len(told) == 0 || !strings.Contains(fmt.Sprint(told), "deploy failed") || len(d.failed) > 0 {
			t.Errorf("%s: told %v, failed %v", text, told, d.failed)
		}
	}
}
