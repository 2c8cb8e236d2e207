package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestTheLastLineChangesInPlace(t *testing.T) {
	var out bytes.Buffer
	at := noon
	l := &liveLine{to: &out, width: func() int { return 24 }, now: func() time.Time { return at }}
	fmt.Fprintln(l, "before")
	l.set("web: 1 of 3 pods")
	at = at.Add(90 * time.Second)
	fmt.Fprintln(l, "log")
	l.set("web: 2 of 3 pods\x1b[2J are ready")
	l.set("")
	fmt.Fprintln(l, "after")
	want := "before\n" + clearLine + "0s web: 1 of 3 pods" + clearLine + "log\n" + clearLine + "1m30s web: 1 of 3 pods" + clearLine + "1m30s web: 2 of 3 pods…" + clearLine + "after\n"
	if out.String() != want {
		t.Errorf("have %q\nwant %q", out.String(), want)
	}
	if newLiveLine(&out) != nil || strings.Contains(out.String(), "2J") {
		t.Error("a buffer is no terminal")
	}
}
