package main

import (
	"fmt"
	"log/slog"

	"github.com/xetys/tether/source/printable"
)

// maxLogText bounds each text of a log line, in characters: an error may quote whatever a chart
// or a server says.
const maxLogText = 8 << 10

// logged has a log line hold text alone, and no more than there is reason to read: a log ends
// up on terminals, and in the stores of others.
func logged(_ []string, a slog.Attr) slog.Attr {
	switch v := a.Value.Resolve(); v.Kind() {
	case slog.KindString:
		a.Value = slog.StringValue(printable.Text(v.String(), maxLogText))
	case slog.KindAny:
		switch any := v.Any().(type) {
		case error:
			a.Value = slog.StringValue(printable.Text(any.Error(), maxLogText))
		case slog.Level: // which the log itself writes
		case fmt.Stringer:
			a.Value = slog.StringValue(printable.Text(any.String(), maxLogText))
		}
	}
	return a
}
