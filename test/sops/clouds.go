package sops

import "github.com/getsops/sops/v3/keys"

// Unasked is a key of a service that is not asked for it: what a file holds for it
// can't be decrypted by anyone.
func Unasked(master keys.MasterKey) *Key {
	return &Key{Name: master.ToString(), encrypt: func([]byte) (keys.MasterKey, error) {
		master.SetEncryptedDataKey([]byte("AAAA"))
		return master, nil
	}}
}
