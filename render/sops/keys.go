package sops

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"filippo.io/age"
	"github.com/ProtonMail/go-crypto/openpgp"
)

// Keys are private keys: age identities and OpenPGP keys. They are not changed once
// they are made, and safe for concurrent use. The zero value has none.
type Keys struct {
	age  []age.Identity
	pgp  openpgp.EntityList
	name []string // what they are to be called
	id   string
}

// ID tells sets of keys apart; it is empty without any, and tells nothing of them.
func (k *Keys) ID() string { return k.id }

// String says which keys there are, by their public parts.
func (k *Keys) String() string {
	if len(k.name) == 0 {
		return "no age and no PGP key"
	}
	return strings.Join(k.name, ", ")
}

// NewKeys reads private keys: age identity files, and armored OpenPGP keys without a
// passphrase. Errors name the key that is wrong, and hold nothing of it.
func NewKeys(files map[string][]byte) (*Keys, error) {
	k := &Keys{}
	sum := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		raw := files[name]
		if err := k.add(raw); err != nil {
			return nil, fmt.Errorf("key %s: %w", name, err)
		}
		fmt.Fprintf(sum, "%d %s", len(raw), raw)
	}
	if len(files) > 0 {
		k.id = hex.EncodeToString(sum.Sum(nil))
	}
	return k, nil
}

// SecretKeys picks the keys out of a Secret: .agekey and .asc, as Flux has them.
func SecretKeys(data map[string][]byte) map[string][]byte {
	out := map[string][]byte{}
	for name, raw := range data {
		if strings.HasSuffix(name, ".agekey") || strings.HasSuffix(name, ".asc") {
			out[name] = raw
		}
	}
	return out
}

func (k *Keys) add(raw []byte) error {
	if bytes.Contains(raw, []byte("-----BEGIN PGP ")) {
		return k.addPGP(raw)
	}
	identities, err := age.ParseIdentities(bytes.NewReader(raw))
	if err != nil {
		return errors.New("it holds neither age identities (AGE-SECRET-KEY-…) nor an armored OpenPGP private key")
	}
	for _, i := range identities {
		k.age = append(k.age, i)
		switch i := i.(type) {
		case *age.X25519Identity:
			k.name = append(k.name, "age key "+i.Recipient().String())
		default:
			k.name = append(k.name, "an age key")
		}
	}
	return nil
}

func (k *Keys) addPGP(raw []byte) error {
	entities, err := openpgp.ReadArmoredKeyRing(bytes.NewReader(raw))
	if err != nil {
		return fmt.Errorf("it is no armored OpenPGP key: %w", err)
	}
	if len(entities) == 0 {
		return errors.New("it is no armored OpenPGP key: there is none in it")
	}
	for _, e := range entities {
		if e.PrivateKey == nil {
			return fmt.Errorf("PGP key %X is a public key: export the private one, with gpg --export-secret-keys --armor", e.PrimaryKey.Fingerprint)
		}
		if protected(e) {
			return fmt.Errorf("PGP key %X is protected by a passphrase: export it without one", e.PrimaryKey.Fingerprint)
		}
		k.pgp = append(k.pgp, e)
		k.name = append(k.name, fmt.Sprintf("PGP key %X", e.PrimaryKey.Fingerprint))
	}
	return nil
}

func protected(e *openpgp.Entity) bool {
	return e.PrivateKey.Encrypted || slices.ContainsFunc(e.Subkeys, func(s openpgp.Subkey) bool {
		return s.PrivateKey != nil && s.PrivateKey.Encrypted
	})
}
