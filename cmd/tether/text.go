package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/xetys/tether/source/printable"
)

// maxReason bounds what a column of a table may hold.
const maxReason = 160

func shortLine(text string) string { return printable.Line(text, maxReason) }

// stamp is a time in a table.
func stamp(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}

// oneLine keeps what others wrote from breaking a table.
func oneLine(text string) string { return printable.Line(text, maxLine) }

// maxLine is more than a reason in the ledger has.
const maxLine = 8 << 10

func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

func shortCommit(commit string) string {
	if commit == "" {
		return "-"
	}
	return fmt.Sprintf("%.7s", commit)
}

// nameOf is an author without the address.
func nameOf(author string) string {
	if author == "" {
		return "-"
	}
	if name, _, found := strings.Cut(author, " <"); found && name != "" {
		author = name
	}
	return shortLine(author)
}
