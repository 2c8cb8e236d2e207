package record

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/release"
)

// packed is a text as Helm stores it.
func packed(t *testing.T, text []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.AppendEncode(nil, b.Bytes())
}

func TestWhatABodyMayHold(t *testing.T) {
	nested := strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000)
	for sentence, c := range map[string]struct {
		body []byte
		want string // part of the error, nothing if it is read
	}{
		"a release is read":                   {packed(t, []byte(`{"name": "web", "version": 3}`)), ""},
		"one that is not compressed too":      {[]byte(base64.StdEncoding.EncodeToString([]byte(`{"name": "web"}`))), ""},
		"fields of a newer Helm don't matter": {packed(t, []byte(`{"name": "web", "apply_method": "ssa", "info": {"rollback_revision": 2}}`)), ""},
		"what is no base64 is refused":        {[]byte("?"), "illegal base64"},
		"what is cut off is refused":          {packed(t, []byte(`{"name": "web"}`))[:20], "EOF"},
		"what is no JSON is refused":          {packed(t, []byte("name: web")), "invalid character"},
		"what is no object is refused":        {packed(t, []byte(`[1]`)), "cannot unmarshal array"},
		"zeros without end are refused":       {packed(t, make([]byte, maxPlain+1)), "unpacks to more than 64 MiB"},
		"values without end are refused":      {packed(t, []byte(`{"config": {"a": [`+strings.Repeat("0,", maxValues)+`0]}}`)), "more than 1000000 values"},
		"maps within maps are refused":        {packed(t, []byte(`{"config": {"a": `+nested+`}}`)), "depth"},
		"commas of a manifest are no values":  {packed(t, []byte(`{"name": "web", "manifest": "`+strings.Repeat(`,\"`, maxValues)+`"}`)), ""},
	} {
		t.Run(sentence, func(t *testing.T) {
			rel, err := decode(c.body)
			switch {
			case c.want == "" && err != nil:
				t.Fatal(err)
			case c.want == "" && (rel.Name != "web" || rel.Info == nil):
				t.Errorf("have %+v", rel)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("have %v, want %q", err, c.want)
			}
		})
	}
}

// What a newer Helm wrote into a record stays there when the record is superseded.
func TestAmendKeepsWhatItDoesNotKnow(t *testing.T) {
	body := packed(t, []byte(`{"name":"web","version":2,"apply_method":"ssa","chart":{"metadata":{"name":"web"},"sort":9},"info":{"status":"deployed","notes":"<a>","rollback_revision":1}}`))
	rel, err := decode(body)
	if err != nil {
		t.Fatal(err)
	}
	rel.SetStatus(release.StatusSuperseded, "was replaced")
	if body, err = amend(body, rel); err != nil {
		t.Fatal(err)
	}
	plain, err := unpack(body)
	if err != nil {
		t.Fatal(err)
	}
	var have map[string]any
	if err := json.Unmarshal(plain, &have); err != nil {
		t.Fatal(err)
	}
	info := have["info"].(map[string]any)
	if have["apply_method"] != "ssa" || have["chart"].(map[string]any)["sort"] != 9.0 || info["rollback_revision"] != 1.0 || info["notes"] != "<a>" {
		t.Errorf("lost: %s", plain)
	}
	if info["status"] != "superseded" || info["description"] != "was replaced" {
		t.Errorf("not amended: %s", plain)
	}
}
