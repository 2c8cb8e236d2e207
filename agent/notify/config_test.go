package notify

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

func TestConfigThatIsRefused(t *testing.T) {
	for sentence, c := range map[string]struct{ text, want string }{
		"a field that nobody knows":          {"sinks: [{name: a, slak: {}}]", "field slak not found"},
		"a value of the wrong type":          {"sinks: [{name: a, slack: {token: [s3cret]}}]", "line 1: a value of the wrong type, not string"},
		"a sink without a name":              {"sinks: [{slack: {token: t, channel: c}}]", "sink 1: give it a name"},
		"two of one name":                    {"sinks: [{name: a, teams: {url: 'https://x.example'}}, {name: a, teams: {url: 'https://x.example'}}]", "sink a: there are two"},
		"a sink that is none":                {"sinks: [{name: a}]", "give it one of slack"},
		"a sink that is two":                 {"sinks: [{name: a, teams: {url: 'https://x.example'}, webhook: {url: 'https://x.example'}}]", "give it one of slack"},
		"a verdict that is none":             {"sinks: [{name: a, verdicts: [done], teams: {url: 'https://x.example'}}]", `verdict "done": use one of applied`},
		"a kind that is none":                {"sinks: [{name: a, kinds: [news], teams: {url: 'https://x.example'}}]", `kind "news": use one of deploy`},
		"a token over http":                  {"sinks: [{name: a, grafana: {url: 'http://grafana.example', token: s3cret}}]", "url: use https"},
		"an address that is none":            {"sinks: [{name: a, webhook: {url: s3cret}}]", "url: use an address"},
		"a cluster that is no name":          {"sinks: [{name: a, github: {repository: acme/config, token: s3cret, cluster: a/b}}]", `cluster "a/b"`},
		"a repository that is no path":       {"sinks: [{name: a, github: {repository: config, token: s3cret}}]", `repository "config"`},
		"a host of git without an address":   {"sinks: [{name: a, gitea: {repository: a/b, token: s3cret}}]", "url: use an address"},
		"a mail to nobody":                   {"sinks: [{name: a, email: {server: 'mail.example:587', from: a@example.com}}]", "to: give it"},
		"a mail server without a port":       {"sinks: [{name: a, email: {server: mail.example, from: a@example.com, to: [b@example.com]}}]", "server: use host:port"},
		"a time that is none":                {"behindFor: soon", `behindFor "soon"`},
		"a pattern that can't be read":       {"sinks: [{name: a, environments: ['[']}]", `pattern "["`},
		"a routing key that is not there":    {"sinks: [{name: a, pagerDuty: {}}]", "give it a routingKey"},
		"a word for encryption that is none": {"sinks: [{name: a, email: {server: 'm:25', from: a@b.example, to: [a@b.example], startTLS: maybe}}]", "use required or none"},
	} {
		t.Run(sentence, func(t *testing.T) {
			_, err := Parse([]byte(c.text))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("have %v, want %s", err, c.want)
			}
			if strings.Contains(err.Error(), "s3cret") {
				t.Errorf("it shows a secret: %v", err)
			}
		})
	}
}

// A new sink needs its lines in choose, and its row in the docs.
func TestEachSinkIsChosenAndDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := ""
	for line := range strings.Lines(string(page)) {
		if strings.HasPrefix(line, "| `") {
			rows += strings.SplitN(line, " | ", 2)[0] + "\n"
		}
	}
	for _, name := range sinkFields() {
		_, err := Parse([]byte(fmt.Sprintf("sinks: [{name: a, %s: {}}]", name)))
		if err != nil && strings.Contains(err.Error(), "give it one of") {
			t.Errorf("sinkDocument.choose does not know %s", name)
		}
		if !strings.Contains(rows, "`"+name+"`") {
			t.Errorf("docs/operations.md has no row for %s", name)
		}
	}
}
