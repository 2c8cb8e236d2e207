package sops

import (
	"bytes"
	"context"
	"errors"
	"io"

	"filippo.io/age"
	agearmor "filippo.io/age/armor"
	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/getsops/sops/v3/keyservice"
)

// service answers sops, which asks for one key after the other: age and PGP with
// the keys that were handed over and nothing else that lies around, the clouds
// with what the process is allowed there. It notes what it was asked for.
type service struct {
	ctx      context.Context
	keys     *Keys
	patience patience
	names    []string // the keys that it does not have
	away     []string // the services that did not answer
}

// Encrypt is not what it is for.
func (s *service) Encrypt(context.Context, *keyservice.EncryptRequest) (*keyservice.EncryptResponse, error) {
	return nil, errors.New("nothing is encrypted here")
}

// Decrypt decrypts a file's data key, if the key for that is there.
func (s *service) Decrypt(_ context.Context, r *keyservice.DecryptRequest) (*keyservice.DecryptResponse, error) {
	switch k := r.GetKey().GetKeyType().(type) {
	case *keyservice.Key_AgeKey:
		return s.own("age key "+k.AgeKey.Recipient, r.Ciphertext, s.keys.withAge)
	case *keyservice.Key_PgpKey:
		return s.own("PGP key "+k.PgpKey.Fingerprint, r.Ciphertext, s.keys.withPGP)
	case *keyservice.Key_KmsKey:
		return s.cloud(aws, "AWS KMS key "+k.KmsKey.Arn, r, nil)
	case *keyservice.Key_GcpKmsKey:
		return s.cloud(gcp, "GCP KMS key "+k.GcpKmsKey.ResourceId, r, nil)
	case *keyservice.Key_AzureKeyvaultKey:
		return s.cloud(azure, "Azure Key Vault key "+k.AzureKeyvaultKey.VaultUrl+"/keys/"+k.AzureKeyvaultKey.Name, r, notAzure(k.AzureKeyvaultKey.VaultUrl))
	case *keyservice.Key_HckmsKey:
		return s.cloud(huawei, "Huawei Cloud KMS key "+k.HckmsKey.KeyId, r, nil)
	case *keyservice.Key_VaultKey:
		return s.cloud(vault, "Vault key "+k.VaultKey.VaultAddress+"/v1/"+k.VaultKey.EnginePath+"/keys/"+k.VaultKey.KeyName, r, notVault(k.VaultKey))
	}
	return nil, s.lacks("a key of a kind that is not known")
}

func (s *service) lacks(name string) error {
	s.names = append(s.names, name)
	return ErrKeys
}

func (s *service) own(name string, ciphertext []byte, decrypt func([]byte) ([]byte, error)) (*keyservice.DecryptResponse, error) {
	plain, err := decrypt(ciphertext)
	if err != nil {
		return nil, s.lacks(name)
	}
	return &keyservice.DecryptResponse{Plaintext: plain}, nil
}

func (k *Keys) withAge(ciphertext []byte) ([]byte, error) {
	if len(k.age) == 0 {
		return nil, ErrKeys
	}
	r, err := age.Decrypt(agearmor.NewReader(bytes.NewReader(ciphertext)), k.age...)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

func (k *Keys) withPGP(ciphertext []byte) ([]byte, error) {
	block, err := armor.Decode(bytes.NewReader(ciphertext))
	if err != nil {
		return nil, err
	}
	message, err := openpgp.ReadMessage(block.Body, k.pgp, nil, nil)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(message.UnverifiedBody)
}
