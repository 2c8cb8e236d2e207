package main

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"

	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/agent/status"
)

// Nothing that somebody else wrote reaches a terminal as more than text: not in a ledger
// of an older agent either, nor in an error.
func TestATerminalIsToldTextAlone(t *testing.T) {
	evil := "Bump\x1b[2J\x1b]0;owned\x07\u202e\r\nweb\u009b1m"
	st := &status.Status{Overview: status.Overview{Environment: "prod", Reason: evil}}
	st.Head = &ledger.Commit{Commit: "0123456789", Subject: evil, Author: evil}
	st.Releases = []status.ReleaseStatus{{Name: "web", Reason: evil}}
	s := shared{output: "table"}
	var out bytes.Buffer
	if err := s.print(&out, st, func(w io.Writer) error { return tableOfStatus(w, st) }); err != nil {
		t.Fatal(err)
	}
	if code := run(context.Background(), []string{"render", evil, "--repo", t.TempDir()}, &out, &out); code == 0 {
		t.Error("an environment of that name is rendered")
	}
	if strings.ContainsAny(out.String(), "\x1b\x07\u202e\r\u009b") || !strings.Contains(out.String(), "Bump�[2J�]0;owned�� web�1m (Bump�") {
		t.Errorf("%q", out.String())
	}
}
