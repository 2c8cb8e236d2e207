package artifact_test

import (
	"testing"
	"testing/fstest"

	"github.com/xetys/tether/source"
	"github.com/xetys/tether/source/sourcetest"
	"github.com/xetys/tether/test/artifact"
)

// The shelf keeps to what every source has to: else the agent's test by it proved nothing.
func TestTheShelfIsASource(t *testing.T) {
	s := artifact.New("stable", "nightly")
	sourcetest.Run(t, sourcetest.Fixture{Source: s, Ref: "stable", Missing: "nightly",
		Publish: func(_ *testing.T, subject string, files fstest.MapFS) string { return s.Push("stable", subject, files) },
		Reopen:  func(*testing.T) source.Source { return s }})
}
