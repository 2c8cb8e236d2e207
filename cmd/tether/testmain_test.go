package main

import (
	"os"
	"testing"

	"github.com/xetys/tether/render/worker"
)

// The tests' binary renders, as tether itself does.
func TestMain(m *testing.M) {
	worker.Main()
	os.Exit(m.Run())
}
