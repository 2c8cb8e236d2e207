package ledger

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestWhatPeopleAskedForIsReadAsFarAsItCanBe(t *testing.T) {
	const pause = `{"by": "ann", "reason": "", "since": "2026-01-01T00:00:00Z", "until": "2999-01-01T00:00:00Z"}`
	for sentence, c := range map[string]struct {
		text   string
		unread string // a part of what is said; empty if nothing is
		paused string // web's pause begins so
		sync   string
	}{
		"nothing is nothing":                           {``, "", "", ""},
		"an empty control is nothing":                  {`{}`, "", "", ""},
		"what is no JSON may have been a pause":        {`garbage`, "invalid character", "paused until somebody resumes", ""},
		"null may have been a pause":                   {`null`, "it is null", "paused until somebody resumes", ""},
		"a list may have been a pause":                 {`[]`, "cannot unmarshal array", "paused until somebody resumes", ""},
		"half a control may have been a pause":         {`{"sync": {"id": "1"}, "pauses": [` + pause, "unexpected end", "paused until somebody resumes", ""},
		"pauses that are no list":                      {`{"sync": {"id": "1"}, "pauses": "all"}`, "pauses: ", "paused until somebody resumes", "1"},
		"a pause that ends at no time":                 {`{"pauses": [{"by": "ann", "until": "tomorrow"}]}`, "pauses: number 1: ", "paused until somebody resumes", ""},
		"a pause without an end":                       {`{"pauses": [{"by": "ann"}]}`, "number 1: until is missing", "paused until somebody resumes", ""},
		"a pause beside one that can't be read":        {`{"pauses": [{"release": "web", "until": 7}, ` + pause + `]}`, "number 1: ", "paused until somebody resumes", ""},
		"a slip in the word":                           {`{"pause": [` + pause + `]}`, "pause: it has to be pauses", "paused until somebody resumes", ""},
		"a pause beside a sync that can't be read":     {`{"sync": 7, "pauses": [` + pause + `]}`, "sync: ", "paused by ann", ""},
		"a sync beside a retry that can't be read":     {`{"sync": {"id": "1"}, "retry": {"a/b": "c"}}`, "retry: ", "", "1"},
		"a confirmation that can't be read":            {`{"confirmed": {}}`, "confirmed: ", "", ""},
		"acts that can't be read":                      {`{"acts": [1], "sync": {"id": "1"}}`, "acts: ", "", "1"},
		"what a newer version asks for is not for now": {`{"freeze": [1], "sync": {"id": "1"}}`, "", "", "1"},
	} {
		have := ParseControl("prod", c.text)
		if (have.Unread == "") != (c.unread == "") || !strings.Contains(have.Unread, c.unread) {
			t.Errorf("%s: unread is %q", sentence, have.Unread)
		}
		p := have.Paused("web", noon)
		if (p == nil) != (c.paused == "") || p != nil && !strings.HasPrefix(p.String(), c.paused) {
			t.Errorf("%s: paused is %v", sentence, p)
		}
		if have.Request() != c.sync {
			t.Errorf("%s: sync is %q", sentence, have.Request())
		}
	}
}

// Wherever a control breaks off, a pause in it does not end, and what it is told with is short.
func TestNoBreakEndsAPause(t *testing.T) {
	raw, err := json.Marshal(Control{Pauses: []Pause{{By: "ann", Until: noon.Add(time.Hour)}}, Sync: &Sync{ID: "1", By: strings.Repeat("b", 500)}, Confirmed: "c"})
	if err != nil {
		t.Fatal(err)
	}
	for n := 1; n <= len(raw); n++ {
		for _, text := range []string{string(raw[:n]), string(raw[:n-1]) + "\x00" + string(raw[n:]), string(raw[len(raw)-n:])} {
			c := ParseControl("prod", text)
			if text != string(raw) && len(c.Unread) > maxActText+10 {
				t.Fatalf("%q: %q", text, c.Unread)
			}
			if c.Paused("web", noon) == nil && !strings.Contains(text, `\u0000`) && !json.Valid([]byte(text)) {
				t.Fatalf("%q is no pause: %q", text, c.Unread)
			}
		}
	}
}

// What stands in for lost pauses ends by nothing but by somebody who resumes.
func TestALostPauseLasts(t *testing.T) {
	c := ParseControl("prod", "garbage")
	d, err := c.in(ControlDocument("prod", "tether"))
	if err != nil {
		t.Fatal(err)
	}
	again := ParseControl("prod", d.Text)
	if again.Unread != "" {
		t.Errorf("what is left can't be read: %s", again.Unread)
	}
	if p := again.Paused("web", noon.AddDate(900, 0, 0)); p == nil || p.String() != "paused until somebody resumes: what people asked for can't be read, a pause perhaps: look into ConfigMap tether.unread.prod, then `tether resume prod`" {
		t.Errorf("paused is %v", p)
	}
}

// Who writes too much by hand keeps nobody else from asking: what is written next fits again.
func TestWhatIsToldWithAPauseIsBounded(t *testing.T) {
	long := "\x1b[2J" + strings.Repeat("x", 900<<10)
	raw, err := json.Marshal(Control{Pauses: []Pause{{By: long, Reason: long, Until: noon.Add(time.Hour)}}, Sync: &Sync{ID: "1", By: long}, Acts: []Act{{Kind: Paused, By: long, Reason: long}}})
	if err != nil {
		t.Fatal(err)
	}
	c := ParseControl("prod", string(raw))
	d, err := c.in(ControlDocument("prod", "tether"))
	if err != nil || c.Unread != "" || len(d.Text) > 6*maxActText {
		t.Errorf("%d bytes, %q, %v", len(d.Text), c.Unread, err)
	}
	if p := c.Paused("web", noon); p == nil || !p.Until.Equal(noon.Add(time.Hour)) || strings.Contains(p.String(), "\x1b") {
		t.Errorf("paused is %v", p)
	}
}
