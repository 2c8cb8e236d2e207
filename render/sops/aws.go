package sops

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go/logging"
	"github.com/getsops/sops/v3/keyservice"
	"github.com/getsops/sops/v3/kms"
)

// askAWS does what sops does, but finds the credentials by itself: the library tells
// the standard error when it does not find them at once.
func askAWS(ctx context.Context, k *keyservice.KmsKey, ciphertext []byte) (*keyservice.DecryptResponse, error) {
	parts := strings.Split(k.Arn, ":")
	if len(parts) < 6 {
		return nil, fmt.Errorf("%q is no ARN", k.Arn)
	}
	own, err := config.LoadDefaultConfig(ctx, config.WithRegion(parts[3]), config.WithSharedConfigProfile(k.AwsProfile), config.WithLogger(logging.Nop{}))
	if err != nil {
		return nil, err
	}
	master := kms.MasterKey{Arn: k.Arn, Role: k.Role, EncryptedKey: string(ciphertext), AwsProfile: k.AwsProfile, EncryptionContext: map[string]*string{}}
	for name, value := range k.Context {
		master.EncryptionContext[name] = &value
	}
	kms.NewCredentialsProvider(own.Credentials).ApplyToMasterKey(&master)
	plain, err := master.DecryptContext(ctx)
	return &keyservice.DecryptResponse{Plaintext: plain}, err
}
