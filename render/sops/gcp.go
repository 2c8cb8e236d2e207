package sops

import (
	"context"
	"net/http"
	"os"
	"strings"

	kms "cloud.google.com/go/kms/apiv1"
	"github.com/getsops/sops/v3/gcpkms"
	"github.com/getsops/sops/v3/keyservice"
	"golang.org/x/oauth2"
	"google.golang.org/api/option"
	transport "google.golang.org/api/transport/http"
)

// askGCP does what sops does, but sends the token to no other server: over REST, the
// library follows a redirect with it. gRPC knows no redirects.
func askGCP(ctx context.Context, k *keyservice.GcpKmsKey, ciphertext []byte) (*keyservice.DecryptResponse, error) {
	master := gcpkms.NewMasterKeyFromResourceID(k.ResourceId)
	master.EncryptedKey = string(ciphertext)
	if strings.EqualFold(os.Getenv(gcpkms.SopsGCPKMSClientTypeEnv), "rest") {
		client, err := gcpClient(ctx)
		if err != nil {
			return nil, err
		}
		gcpkms.ClientOptions{option.WithHTTPClient(client)}.ApplyToMasterKey(master)
	}
	plain, err := master.DecryptContext(ctx)
	return &keyservice.DecryptResponse{Plaintext: plain}, err
}

// gcpClient proves who we are with what sops would find, in the same order.
func gcpClient(ctx context.Context) (*http.Client, error) {
	opts := []option.ClientOption{option.WithScopes(kms.DefaultAuthScopes()...)}
	own, token := os.Getenv(gcpkms.SopsGoogleCredentialsEnv), os.Getenv(gcpkms.SopsGoogleCredentialsOAuthTokenEnv)
	switch {
	case own != "":
		raw, err := os.ReadFile(own)
		if err != nil { // it is no path
			raw = []byte(own)
		}
		//lint:ignore SA1019 any kind of credentials is taken, as sops does: they are the agent's own configuration
		opts = append(opts, option.WithCredentialsJSON(raw))
	case token != "":
		opts = append(opts, option.WithTokenSource(oauth2.StaticTokenSource(&oauth2.Token{AccessToken: token})))
	}
	if domain := os.Getenv(gcpkms.SopsGCPKMSUniverseDomainEnv); domain != "" {
		opts = append(opts, option.WithUniverseDomain(domain))
	}
	client, _, err := transport.NewClient(ctx, opts...)
	if err != nil {
		return nil, err
	}
	client.CheckRedirect = sameServer
	return client, nil
}
