package sops

import (
	"context"
	"net/http"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"
	"github.com/getsops/sops/v3/azkv"
	"github.com/getsops/sops/v3/keyservice"
)

// azureAnswer bounds how long Azure's services may take to answer.
const azureAnswer = 30 * time.Second

// azureClient is what all that Azure is asked goes through: neither a vault nor the
// directory sends a request on to another server.
func azureClient() *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.ResponseHeaderTimeout = azureAnswer
	return &http.Client{Transport: t, CheckRedirect: sameServer}
}

// askAzure does what sops does, through a client of ours.
func askAzure(ctx context.Context, k *keyservice.AzureKeyVaultKey, ciphertext []byte) (*keyservice.DecryptResponse, error) {
	client := azureClient()
	defer client.CloseIdleConnections()
	through := policy.ClientOptions{Transport: client}
	token, err := azidentity.NewDefaultAzureCredential(&azidentity.DefaultAzureCredentialOptions{ClientOptions: through})
	if err != nil {
		return nil, err
	}
	master := azkv.MasterKey{VaultURL: k.VaultUrl, Name: k.Name, Version: k.Version, EncryptedKey: string(ciphertext)}
	azkv.NewTokenCredential(token).ApplyToMasterKey(&master)
	azkv.NewClientOptions(&azkeys.ClientOptions{ClientOptions: through}).ApplyToMasterKey(&master)
	plain, err := master.DecryptContext(ctx)
	return &keyservice.DecryptResponse{Plaintext: plain}, err
}
