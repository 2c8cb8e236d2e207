package sops

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path"
	"strings"
	"time"

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
	ctx   context.Context
	keys  *Keys
	names []string // the keys that it does not have
	away  []string // the services that did not answer
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
		return s.cloud("AWS KMS key "+k.KmsKey.Arn, r, nil)
	case *keyservice.Key_GcpKmsKey:
		return s.cloud("GCP KMS key "+k.GcpKmsKey.ResourceId, r, nil)
	case *keyservice.Key_AzureKeyvaultKey:
		return s.cloud("Azure Key Vault key "+k.AzureKeyvaultKey.VaultUrl+"/keys/"+k.AzureKeyvaultKey.Name, r, azure(k.AzureKeyvaultKey.VaultUrl))
	case *keyservice.Key_HckmsKey:
		return s.cloud("Huawei Cloud KMS key "+k.HckmsKey.KeyId, r, nil)
	case *keyservice.Key_VaultKey:
		return s.cloud("Vault key "+k.VaultKey.VaultAddress+"/v1/"+k.VaultKey.EnginePath+"/keys/"+k.VaultKey.KeyName, r, vault(k.VaultKey))
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

// cloudTimeout bounds the request to a key service: sops gives it no context.
const cloudTimeout = 30 * time.Second

func (s *service) cloud(name string, r *keyservice.DecryptRequest, refused error) (*keyservice.DecryptResponse, error) {
	if refused != nil {
		s.lacks(fmt.Sprintf("%s (not asked: %v)", name, refused))
		return nil, refused
	}
	ctx, cancel := context.WithTimeoutCause(s.ctx, cloudTimeout, fmt.Errorf("no answer within %s", cloudTimeout))
	defer cancel()
	type answer struct {
		response *keyservice.DecryptResponse
		err      error
	}
	answered := make(chan answer, 1)
	go func() {
		response, err := keyservice.Server{}.Decrypt(ctx, r)
		answered <- answer{response, err}
	}()
	var a answer
	select {
	case a = <-answered:
	case <-ctx.Done():
		a.err = context.Cause(ctx)
	}
	if a.err != nil {
		s.away = append(s.away, fmt.Sprintf("%s: %s", name, strings.Join(strings.Fields(a.err.Error()), " ")))
	}
	return a.response, a.err
}

// The hosts of Azure's vaults, in all of its clouds.
var azureHosts = []string{".vault.azure.net", ".managedhsm.azure.net", ".vault.azure.cn", ".managedhsm.azure.cn", ".vault.usgovcloudapi.net", ".managedhsm.usgovcloudapi.net"}

// azure keeps a file from having any server of its choice asked.
func azure(vaultURL string) error {
	u, err := url.Parse(vaultURL)
	if err == nil && u.Scheme == "https" && u.Port() == "" {
		for _, h := range azureHosts {
			if strings.HasSuffix(u.Hostname(), h) {
				return nil
			}
		}
	}
	return errors.New("it is no vault of Azure's")
}

// vault keeps a file from having the process's token sent to a server of its choice,
// or anything else done with it than to decrypt.
func vault(k *keyservice.VaultKey) error {
	own := os.Getenv("VAULT_ADDR")
	if own == "" || strings.TrimSuffix(own, "/") != strings.TrimSuffix(k.VaultAddress, "/") {
		return errors.New("it is not the server of VAULT_ADDR")
	}
	if strings.Contains(k.KeyName, "/") || path.Join(k.EnginePath, "decrypt", k.KeyName) != strings.Trim(k.EnginePath, "/")+"/decrypt/"+k.KeyName {
		return errors.New("its engine and name lead elsewhere than to a key")
	}
	return nil
}
