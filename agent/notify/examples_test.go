package notify

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/xetys/tether/agent/ledger"
)

var update = flag.Bool("update", false, "write the examples in docs/notifications anew")

// recordedAs holds a file of the documentation to what was sent.
func recordedAs(t *testing.T, name string, have []byte) {
	t.Helper()
	file := filepath.Join("..", "..", "docs", "notifications", name)
	if *update {
		if err := os.WriteFile(file, have, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, want) {
		t.Errorf("docs/notifications/%s is not what is sent (-update writes it anew):\n%s", name, have)
	}
}

func pretty(t *testing.T, raw []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := json.Indent(&b, raw, "", "  "); err != nil {
		t.Fatal(err)
	}
	b.WriteByte('\n')
	return b.Bytes()
}

// What a mail has of the moment and of the machine.
var ofTheMoment = regexp.MustCompile(`(?m)^(Date|User-Agent|X-Mailer): .*$`)

func TestTheDocumentationShowsWhatIsSent(t *testing.T) {
	e := ledger.Entry{Verdict: ledger.RolledBack, Started: noon, Commit: ledger.Commit{Commit: "9f3c2ab41d7e0a5c6b8f1e2d3c4b5a6978879605", Subject: "Bump backend to v2026.11.2", Author: "Mei Tanaka", Time: noon.Add(-2 * time.Minute)},
		Reason:   "xuangong-backend: Deployment.apps xuangong-prod/xuangong-backend: pod xuangong-backend-6b84f9c7d-x2x7q: ImagePullBackOff of registry.example.com/xuangong/backend:v2026.11.2: manifest unknown",
		Releases: []ledger.Outcome{{Name: "xuangong-backend", Namespace: "xuangong-prod", Action: "upgrade", Outcome: "rolled-back", Revision: 12}}}
	l := prod(e)
	l.Environment, l.Branch = "production", "main"
	n := deploy(l, e)
	n.Origin = "1b4e28ba-2fa1-4d52-883f-0016d3cca427"

	f := newFar(t, func(int, asked) (int, string) { return 200, `{"ok":true,"channel":"C0123456789","ts":"1.0"}` })
	send(t, &slack{Token: "t", Channel: "C0123456789", API: f.URL}, n, "")
	recordedAs(t, "slack.json", pretty(t, f.asked[0].raw))
	send(t, &pagerDuty{RoutingKey: "the-routing-key", API: f.URL}, n, "")
	recordedAs(t, "pagerduty.json", pretty(t, f.asked[1].raw))

	address, mails := mailbox(t)
	send(t, &email{Server: address, From: "tether@example.com", To: []string{"ops@example.com"}, StartTLS: "none"}, n, "")
	all := mails()
	for len(all) == 0 {
		all = mails()
	}
	recordedAs(t, "email.txt", ofTheMoment.ReplaceAll(bytes.ReplaceAll([]byte(all[0]), []byte("\r"), nil), []byte("$1: …")))
}
