package render_test

import (
	"os"
	"testing"

	"github.com/xetys/tether/render/worker"
)

// TestMain lets the test's program be a worker.
func TestMain(m *testing.M) {
	worker.Main()
	os.Exit(m.Run())
}
