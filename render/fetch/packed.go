package fetch

import (
	"fmt"
)

// MaxPacked is how large a packed chart may be.
const MaxPacked = 20 << 20

// Pin is what a reference was resolved to.
type Pin struct {
	// Chart and Version are the reference, as it was asked for.
	Chart   string `json:"chart"`
	Version string `json:"version"`
	// Resolved is the chart's version, Digest what names it: the digest of an OCI
	// manifest, or of a packed chart.
	Resolved string `json:"resolved"`
	Digest   string `json:"digest"`
}

// fetched is a packed chart.
type fetched struct {
	raw      []byte
	resolved string // its version, where the reference alone does not tell
	digest   string
}

// changedError says that a reference that was resolved before means something else
// now.
func changedError(want, have string) error {
	return fmt.Errorf("it is another chart than it was, or than its digest says (%.19s… instead of %.19s…): it was published again under the same version; ask for another one", have, want)
}

var errPacked = fmt.Errorf("it has more than %d MiB packed: leave out what is no part of the chart, by .helmignore", MaxPacked>>20)
