package worker

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// Folder is where charts are written to be loaded: the one folder that a worker can read.
// It is this user's, and stays.
func Folder() (string, error) {
	at := filepath.Join(os.TempDir(), "tether-charts-"+strconv.Itoa(os.Geteuid()))
	if err := os.Mkdir(at, 0o700); err != nil && !os.IsExist(err) {
		return "", err
	}
	info, err := os.Lstat(at)
	if err != nil {
		return "", err
	}
	if !info.IsDir() || info.Sys().(*syscall.Stat_t).Uid != uint32(os.Geteuid()) || info.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("%s is not a folder of this user's alone: take it away, or set TMPDIR to a folder of your own", at)
	}
	return at, nil
}
