package sops

import (
	"context"
	"errors"
	"net/http"

	"github.com/getsops/sops/v3/hcvault"
	"github.com/getsops/sops/v3/keyservice"
	"github.com/hashicorp/vault/api"

	"github.com/xetys/tether/source/outbound"
)

// askVault does what sops does, but sends the token to no other server: the library
// follows a redirect with it.
func askVault(ctx context.Context, k *keyservice.VaultKey, ciphertext []byte) (*keyservice.DecryptResponse, error) {
	own := api.DefaultConfig() // with the certificates that the environment names
	if own.Error != nil {
		return nil, own.Error
	}
	own.HttpClient.CheckRedirect = func(next *http.Request, via []*http.Request) error {
		if err := sameServer(next, via); err != nil {
			return err
		}
		return http.ErrUseLastResponse // the library itself follows it
	}
	master := hcvault.MasterKey{VaultAddress: k.VaultAddress, EnginePath: k.EnginePath, KeyName: k.KeyName, EncryptedKey: string(ciphertext)}
	hcvault.NewHTTPClient(own.HttpClient).ApplyToMasterKey(&master)
	plain, err := master.DecryptContext(ctx)
	return &keyservice.DecryptResponse{Plaintext: plain}, err
}

// maxRedirects is how many net/http follows.
const maxRedirects = 10

// sameServer refuses a redirect to another server.
func sameServer(next *http.Request, via []*http.Request) error {
	if from := via[0].URL; !outbound.SameOrigin(from, next.URL) {
		return &outbound.RedirectError{From: outbound.Address(from), To: outbound.Address(next.URL)}
	}
	if len(via) >= maxRedirects {
		return errors.New("it redirects without end")
	}
	return nil
}
