package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

// What an error quotes costs a line of a log as much as there is reason to read, and reaches
// no terminal as more than text.
func TestALogLineIsBoundedText(t *testing.T) {
	hostile := "\x1b[2J\u009b2J\u202e" + strings.Repeat("x", 1<<20)
	for _, format := range []string{"json", "text"} {
		var out bytes.Buffer
		log, err := (&shared{logLevel: "info", logFormat: format}).logger(&out)
		if err != nil {
			t.Fatal(err)
		}
		log.Info("it is "+hostile, "error", errors.New(hostile), "reason", hostile, "count", 7)
		text := out.String()
		if len(text) > 3*(maxLogText+100) || strings.ContainsAny(text, "\x1b\u009b\u202e") {
			t.Errorf("%s: %d bytes: %.200q", format, len(text), text)
		}
		for _, part := range []string{"INF", "it is ", "count", "7", "bytes more)"} {
			if !strings.Contains(text, part) {
				t.Errorf("%s: %q is missing in %.200q", format, part, text)
			}
		}
		var line map[string]any
		if err := json.Unmarshal(out.Bytes(), &line); format == "json" && (err != nil || line["level"] != "INFO" || line["count"] != 7.0) {
			t.Errorf("%v: %.200q", err, text)
		}
	}
}
