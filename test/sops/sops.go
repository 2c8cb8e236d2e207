// Package sops makes keys and files encrypted with SOPS for tests, with what the
// sops program itself writes files with.
//
// It does not know how they are decrypted.
package sops

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"time"

	"filippo.io/age"
	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/getsops/sops/v3"
	"github.com/getsops/sops/v3/aes"
	sopsage "github.com/getsops/sops/v3/age"
	"github.com/getsops/sops/v3/config"
	"github.com/getsops/sops/v3/keys"
	"github.com/getsops/sops/v3/pgp"
	"github.com/getsops/sops/v3/stores/json"
	"github.com/getsops/sops/v3/stores/yaml"
)

// Key is a key pair.
type Key struct {
	// Private is what a key file holds.
	Private []byte
	// Name is what the public key is called.
	Name    string
	encrypt func(dataKey []byte) (keys.MasterKey, error)
}

// AgeKey makes an age key.
func AgeKey() (*Key, error) {
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		return nil, err
	}
	return AgeKeyOf(identity.String())
}

// AgeKeyOf reads an age key.
func AgeKeyOf(private string) (*Key, error) {
	identity, err := age.ParseX25519Identity(private)
	if err != nil {
		return nil, err
	}
	k := &Key{Private: []byte("# created for a test\n" + private + "\n"), Name: identity.Recipient().String()}
	k.encrypt = func(dataKey []byte) (keys.MasterKey, error) {
		master, err := sopsage.MasterKeyFromRecipient(k.Name)
		if err != nil {
			return nil, err
		}
		return master, master.Encrypt(dataKey)
	}
	return k, nil
}

// PGPKey makes an OpenPGP key, with a passphrase if it is not empty.
func PGPKey(passphrase string) (*Key, error) {
	entity, err := openpgp.NewEntity("Test", "", "test@example.com", nil)
	if err != nil {
		return nil, err
	}
	k := &Key{Name: fmt.Sprintf("%X", entity.PrimaryKey.Fingerprint)}
	k.encrypt = func(dataKey []byte) (keys.MasterKey, error) {
		var b bytes.Buffer
		a, err := armor.Encode(&b, "PGP MESSAGE", nil)
		if err != nil {
			return nil, err
		}
		w, err := openpgp.Encrypt(a, []*openpgp.Entity{entity}, nil, &openpgp.FileHints{IsBinary: true}, nil)
		if err != nil {
			return nil, err
		}
		if _, err := w.Write(dataKey); err != nil {
			return nil, err
		}
		if err := w.Close(); err != nil {
			return nil, err
		}
		if err := a.Close(); err != nil {
			return nil, err
		}
		master := pgp.NewMasterKeyFromFingerprint(k.Name)
		master.EncryptedKey = b.String()
		return master, nil
	}
	var b bytes.Buffer
	a, err := armor.Encode(&b, openpgp.PrivateKeyType, nil)
	if err != nil {
		return nil, err
	}
	if passphrase != "" {
		if err := entity.EncryptPrivateKeys([]byte(passphrase), nil); err != nil {
			return nil, err
		}
		err = entity.SerializePrivateWithoutSigning(a, nil)
	} else {
		err = entity.SerializePrivate(a, nil)
	}
	if err != nil {
		return nil, err
	}
	err = a.Close()
	k.Private = b.Bytes()
	return k, err
}

// store is a format of sops.
type store interface {
	LoadPlainFile([]byte) (sops.TreeBranches, error)
	EmitEncryptedFile(sops.Tree) ([]byte, error)
}

// Encrypt encrypts a file's text as yaml, json or binary, for each of some keys.
// change may set what else sops puts into the metadata.
func Encrypt(plain []byte, format string, change func(*sops.Metadata), recipients ...*Key) ([]byte, error) {
	stores := config.NewStoresConfig()
	s := map[string]store{
		"yaml": yaml.NewStore(&stores.YAML), "json": json.NewStore(&stores.JSON), "binary": json.NewBinaryStore(&stores.JSONBinary),
	}[format]
	branches, err := s.LoadPlainFile(plain)
	if err != nil {
		return nil, err
	}
	dataKey := make([]byte, 32)
	if _, err := rand.Read(dataKey); err != nil {
		return nil, err
	}
	tree := sops.Tree{Branches: branches, Metadata: sops.Metadata{UnencryptedSuffix: "_unencrypted", Version: "3.13.3", LastModified: time.Now().UTC()}}
	if change != nil {
		change(&tree.Metadata)
	}
	var group sops.KeyGroup
	for _, k := range recipients {
		master, err := k.encrypt(dataKey)
		if err != nil {
			return nil, err
		}
		group = append(group, master)
	}
	tree.Metadata.KeyGroups = []sops.KeyGroup{group}
	cipher := aes.NewCipher()
	mac, err := tree.Encrypt(dataKey, cipher)
	if err != nil {
		return nil, err
	}
	tree.Metadata.MessageAuthenticationCode, err = cipher.Encrypt(mac, dataKey, tree.Metadata.LastModified.Format(time.RFC3339))
	if err != nil {
		return nil, err
	}
	return s.EmitEncryptedFile(tree)
}
