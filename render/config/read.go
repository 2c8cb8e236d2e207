package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// MaxFile is how large environment.yaml, and each file of values, may be, in bytes. What is
// parsed takes a hundred times its size in memory at the worst.
const MaxFile = 1 << 20

// ErrTooLarge is what a file that is larger than it may be is refused with.
var ErrTooLarge = errors.New("it is too large")

// ReadFile reads a file that has no more than max bytes.
func ReadFile(files fs.FS, name string, max int64) ([]byte, error) {
	f, err := files.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, max+1))
	if err == nil && int64(len(raw)) > max {
		err = fmt.Errorf("%w: more than %d KiB; split it", ErrTooLarge, max>>10)
	}
	return raw, err
}
