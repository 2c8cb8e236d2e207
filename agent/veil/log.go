package veil

import (
	"context"
	"fmt"
	"log/slog"
)

// Log is a log that hides secrets.
type Log struct {
	slog.Handler
	Text func(string) string
}

// Handle hides secrets in a line.
func (h Log) Handle(ctx context.Context, line slog.Record) error {
	out := slog.NewRecord(line.Time, line.Level, h.Text(line.Message), line.PC)
	line.Attrs(func(a slog.Attr) bool {
		out.AddAttrs(h.attr(a))
		return true
	})
	return h.Handler.Handle(ctx, out)
}

// WithAttrs hides secrets in what all lines of a log have.
func (h Log) WithAttrs(attrs []slog.Attr) slog.Handler {
	hidden := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		hidden[i] = h.attr(a)
	}
	return Log{h.Handler.WithAttrs(hidden), h.Text}
}

// WithGroup opens a group.
func (h Log) WithGroup(name string) slog.Handler {
	return Log{h.Handler.WithGroup(name), h.Text}
}

// attr hides secrets in texts, and in what is told as a text. Groups are not used.
func (h Log) attr(a slog.Attr) slog.Attr {
	switch v := a.Value.Resolve(); v.Kind() {
	case slog.KindString:
		return slog.String(a.Key, h.Text(v.String()))
	case slog.KindAny, slog.KindGroup:
		return slog.String(a.Key, h.Text(fmt.Sprint(v.Any())))
	}
	return a
}
