package notify

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/wneessen/go-mail"
)

// email sends one mail when a matter has ended, or is bad. Mails about the same refer to
// each other, so that a mailbox shows them as one conversation.
type email struct {
	Server   string   `yaml:"server"` // host:port
	From     string   `yaml:"from"`
	To       []string `yaml:"to"`
	Username string   `yaml:"username"`
	Password string   `yaml:"password"`
	// StartTLS is required unless it is none: then what is sent can be read on its way.
	StartTLS string `yaml:"startTLS"`
}

func (e *email) follows() bool   { return false }
func (e *email) address() string { return e.Server }

func (e *email) send(ctx context.Context, n Notice, known string) (string, error) {
	m := mail.NewMsg()
	if err := m.From(e.From); err != nil {
		return known, err
	}
	if err := m.To(e.To...); err != nil {
		return known, err
	}
	m.Subject("[tether] " + n.Title)
	m.SetDate()
	sum := sha256.Sum256([]byte(n.ID + digestOf(n)))
	id := hex.EncodeToString(sum[:12]) + "@tether." + n.Environment
	m.SetMessageIDWithValue(id)
	if known != "" {
		m.SetGenHeader(mail.HeaderInReplyTo, "<"+known+">")
		m.SetGenHeader(mail.HeaderReferences, "<"+known+">")
	}
	m.SetBodyString(mail.TypeTextPlain, n.Text()+e.footer(n))
	c, err := e.client()
	if err != nil {
		return known, err
	}
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	if err := c.DialAndSendWithContext(ctx, m); err != nil {
		return known, err
	}
	return id, nil
}

func (e *email) footer(n Notice) string {
	text := "\n\nenvironment " + n.Environment + ", repository " + n.Repository
	if n.Commit != nil {
		text += "\ncommit " + n.Commit.Commit + " of " + n.Commit.Time.UTC().Format(time.RFC3339)
	}
	return text + "\n"
}

func (e *email) client() (*mail.Client, error) {
	host, text, err := net.SplitHostPort(e.Server)
	if err != nil {
		return nil, fmt.Errorf("server %q: use host:port", e.Server)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return nil, fmt.Errorf("server %q: use host:port", e.Server)
	}
	policy := mail.TLSMandatory
	if e.StartTLS == "none" {
		policy = mail.NoTLS
	}
	options := []mail.Option{mail.WithPort(port), mail.WithTLSPolicy(policy), mail.WithTimeout(sendTimeout)}
	if port == 465 {
		options = append(options, mail.WithSSL())
	}
	if e.Username != "" {
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(e.Username), mail.WithPassword(e.Password))
	}
	return mail.NewClient(host, options...)
}
