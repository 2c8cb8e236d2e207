package veil

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/xetys/tether/render/mask"
)

// Whatever is told by a log, as a message, a text, an error or what all its lines have,
// passes the veil.
func TestALogHidesSecrets(t *testing.T) {
	m := mask.New([]string{"hunter2-hunter2"}, nil)
	var out bytes.Buffer
	log := slog.New(Log{slog.NewTextHandler(&out, nil), m.Text}).With("a", "HUNTER2-HUNTER2").WithGroup("g").With("b", 1)
	log.Warn("it is hunter2-hunter2", "text", "aHVudGVyMi1odW50ZXIy", "error", errors.New("no hunter2-hunter2"), slog.Group("c", "d", "hunter2-hunter2"), "n", 7)
	if text := strings.ToLower(out.String()); strings.Contains(text, "hunter") || strings.Contains(text, "ahvu") || strings.Count(text, "masked") != 5 {
		t.Error(out.String())
	}
	if !strings.Contains(out.String(), "g.b=1") || !strings.Contains(out.String(), "g.n=7") {
		t.Errorf("it hides what is no secret: %s", out.String())
	}
}
