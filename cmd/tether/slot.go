package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// slot is a data directory that this process alone uses, and the identity that
// goes with it. A process that takes the slot of one that was killed has the same
// identity: its lease is ours at once, since nobody else can hold the lock.
type slot struct {
	dir, identity string
	lock          *os.File
}

// maxSlots bounds how many replicas may share a machine's data directory.
const maxSlots = 16

// takeSlot locks the first free slot below base for what the process keeps.
func takeSlot(base, what string) (*slot, error) {
	if base == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return nil, fmt.Errorf("find a directory for the clone: %w; give --data-dir", err)
		}
		base = filepath.Join(cache, "tether")
	}
	base, err := filepath.Abs(base)
	if err != nil {
		return nil, fmt.Errorf("--data-dir: %w", err)
	}
	sum := sha256.Sum256([]byte(base + "\n" + what))
	key := hex.EncodeToString(sum[:6])
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("find the host's name: %w; give --identity", err)
	}
	for i := range maxSlots {
		dir := filepath.Join(base, fmt.Sprintf("%s-%d", key, i))
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("make the data directory: %w; give another --data-dir", err)
		}
		lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return nil, fmt.Errorf("lock the data directory: %w; give another --data-dir", err)
		}
		err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return &slot{dir: filepath.Join(dir, "repo"), identity: fmt.Sprintf("%s_%s-%d", host, key, i), lock: lock}, nil
		}
		lock.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock %s: %w", dir, err)
		}
	}
	return nil, fmt.Errorf("%d agents keep the same environments from %s already", maxSlots, base)
}

func (s *slot) release() { s.lock.Close() }
