package render

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// What is parsed in this process takes a hundred times its size in memory at the
// worst, and so is small.
const (
	maxYAML         = 1 << 20  // environment.yaml, and each file of values
	maxValues       = 16 << 20 // the values of all releases of an environment, as JSON
	maxEnvironments = 1000
	maxReleases     = 2000 // of an environment: the ledger has a line for each
	maxPatches      = 100  // of a release
	maxPattern      = 256  // bytes of a regular expression in a patch's target
)

var errTooLarge = errors.New("it is too large")

// readBounded reads a file that has no more than max bytes.
func readBounded(files fs.FS, name string, max int64) ([]byte, error) {
	f, err := files.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, max+1))
	if err == nil && int64(len(raw)) > max {
		err = fmt.Errorf("%w: more than %d KiB; split it", errTooLarge, max>>10)
	}
	return raw, err
}
