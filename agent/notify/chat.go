package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/xetys/tether/source/printable"
)

// slack posts with a bot's token, and edits its message when the matter goes on
// (https://docs.slack.dev/reference/methods/chat.postMessage, chat.update). What is bad is
// said below the message too: an edit alerts nobody.
type slack struct {
	Token   string `yaml:"token"`
	Channel string `yaml:"channel"`
	API     string `yaml:"api"` // https://slack.com/api
}

func (s *slack) follows() bool   { return true }
func (s *slack) address() string { return hostOf(s.API) + " " + s.Channel }

// Slack's own bound of a section's text is 3,000 characters.
const maxSlackText = 2900

func (s *slack) send(ctx context.Context, n Notice, known string) (string, error) {
	channel, ts, _ := strings.Cut(known, " ")
	message := map[string]any{"channel": s.Channel, "text": escapeSlack(n.Title), "blocks": slackBlocks(n), "unfurl_links": false}
	method := "chat.postMessage"
	if ts != "" {
		method, message["channel"], message["ts"] = "chat.update", channel, ts
	}
	channel, ts, err := s.post(ctx, method, message)
	if gone := (*slackError)(nil); known != "" && errors.As(err, &gone) {
		return s.send(ctx, n, "") // somebody deleted it, or it is too old to be edited
	}
	if err != nil {
		return known, err
	}
	if known != "" && n.Bad() {
		reply := map[string]any{"channel": channel, "thread_ts": ts, "text": escapeSlack(n.Title), "reply_broadcast": true}
		if _, _, err := s.post(ctx, "chat.postMessage", reply); err != nil {
			return known, err
		}
	}
	return channel + " " + ts, nil
}

func (s *slack) post(ctx context.Context, method string, message any) (channel, ts string, err error) {
	var answer struct {
		OK                 bool
		Error, TS, Channel string
	}
	if err := call(ctx, http.MethodPost, s.API+"/"+method, http.Header{"Authorization": {"Bearer " + s.Token}}, message, &answer); err != nil {
		return "", "", err
	}
	if !answer.OK {
		return "", "", &slackError{method, printable.Line(answer.Error, maxComplaint)}
	}
	return answer.Channel, answer.TS, nil
}

// slackError is Slack's own word on a request that reached it.
type slackError struct{ method, why string }

func (e *slackError) Error() string { return fmt.Sprintf("it refuses %s: %s", e.method, e.why) }

func slackBlocks(n Notice) []any {
	text := "*" + escapeSlack(n.Title) + "*"
	for _, l := range n.Lines {
		text += "\n" + escapeSlack(l)
	}
	if len([]rune(text)) > maxSlackText {
		text = string([]rune(text)[:maxSlackText]) + "…"
	}
	section := func(text string) map[string]any {
		return map[string]any{"type": "mrkdwn", "text": text, "verbatim": true}
	}
	blocks := []any{map[string]any{"type": "section", "text": section(mark(n) + " " + text)}}
	if n.Commit != nil {
		about := fmt.Sprintf("%s · `%.12s`", escapeSlack(n.Repository), n.Commit.Commit)
		blocks = append(blocks, map[string]any{"type": "context", "elements": []any{section(about)}})
	}
	return blocks
}

// mark is what tells good from bad at a glance.
func mark(n Notice) string {
	switch {
	case n.Bad():
		return ":red_circle:"
	case n.Ended():
		return ":large_green_circle:"
	}
	return ":large_yellow_circle:"
}

var slackEscapes = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "*", "∗", "`", "ʼ")

func escapeSlack(text string) string { return slackEscapes.Replace(text) }

// teams posts Adaptive Cards to a workflow
// (https://learn.microsoft.com/power-automate/teams/send-a-message-in-teams). A card that
// was posted can't be changed by a workflow: it is told when a matter has ended, or is bad.
type teams struct {
	URL string `yaml:"url"`
}

func (t *teams) follows() bool   { return false }
func (t *teams) address() string { return hostOf(t.URL) }

func (t *teams) send(ctx context.Context, n Notice, _ string) (string, error) {
	body := []any{map[string]any{"type": "TextBlock", "text": escapeCard(n.Title), "weight": "bolder", "wrap": true, "color": cardColor(n)}}
	for _, l := range n.Lines {
		body = append(body, map[string]any{"type": "TextBlock", "text": escapeCard(l), "wrap": true, "spacing": "small"})
	}
	card := map[string]any{"$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4", "body": body}
	message := map[string]any{"type": "message", "attachments": []any{map[string]any{"contentType": "application/vnd.microsoft.card.adaptive", "content": card}}}
	return n.ID, call(ctx, http.MethodPost, t.URL, nil, message, nil)
}

func cardColor(n Notice) string {
	if n.Bad() {
		return "attention"
	}
	return "good"
}

var cardEscapes = strings.NewReplacer("\\", `\\`, "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "#", `\#`)

func escapeCard(text string) string { return cardEscapes.Replace(text) }

// grafana makes annotations, one for each matter, with its beginning and its end
// (https://grafana.com/docs/grafana/latest/developers/http_api/annotations/).
type grafana struct {
	URL   string `yaml:"url"`
	Token string `yaml:"token"`
}

func (g *grafana) follows() bool   { return true }
func (g *grafana) address() string { return hostOf(g.URL) }

func (g *grafana) send(ctx context.Context, n Notice, known string) (string, error) {
	note := map[string]any{"time": n.Since.UnixMilli(), "tags": []string{"tether", n.Environment, string(n.Kind), n.State}, "text": n.Text()}
	header := http.Header{"Authorization": {"Bearer " + g.Token}}
	if known != "" {
		return known, call(ctx, http.MethodPatch, g.URL+"/api/annotations/"+url.PathEscape(known), header, note, nil)
	}
	var answer struct{ ID json.Number }
	if err := call(ctx, http.MethodPost, g.URL+"/api/annotations", header, note, &answer); err != nil {
		return "", err
	}
	return answer.ID.String(), nil
}
