package assess

import (
	"strings"
	"testing"

	"github.com/xetys/tether/agent/decide"
)

func TestWhatAnEnvironmentMayBring(t *testing.T) {
	for _, c := range []struct {
		name string
		held int
		act  decide.Act
		why  string
	}{
		{"an upgrade, with room", maxHeld, decide.Upgrade, ""},
		{"an upgrade, without", maxHeld + 1, decide.Upgrade, "take more than 128 MiB of memory: remove some first"},
		{"an install, without", maxHeld + 1, decide.Install, "take more than 128 MiB of memory: remove some first"},
		{"an uninstall, without", maxHeld + 1, decide.Uninstall, ""},
		{"a rollback, without", maxHeld + 1, decide.Rollback, ""},
	} {
		got := overloaded(c.held, []*Release{{Decision: decide.Decision{Act: c.act}}})
		if (got == "") != (c.why == "") || !strings.Contains(got, c.why) {
			t.Errorf("%s: %q, want %q", c.name, got, c.why)
		}
	}
}
