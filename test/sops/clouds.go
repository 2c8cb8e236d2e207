package sops

import (
	"context"
	"encoding/base64"

	"github.com/aws/aws-sdk-go-v2/aws"
	awskms "github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/getsops/sops/v3/keys"
	"github.com/getsops/sops/v3/kms"
)

// AWSKey is a key of AWS KMS, with a context that has to be told as well. The server
// at a host is asked in Amazon's place, and has to do without a signature.
func AWSKey(arn, host string) *Key {
	client := awskms.New(awskms.Options{BaseEndpoint: aws.String("http://" + host), Region: "eu-west-2", Credentials: aws.AnonymousCredentials{}})
	return &Key{Name: arn, encrypt: func(dataKey []byte) (keys.MasterKey, error) {
		master := kms.NewMasterKey(arn, "", map[string]*string{"for": aws.String("tests"), "of": aws.String("tether")})
		out, err := client.Encrypt(context.Background(), &awskms.EncryptInput{KeyId: &arn, Plaintext: dataKey, EncryptionContext: aws.ToStringMap(master.EncryptionContext)})
		if err != nil {
			return nil, err
		}
		master.SetEncryptedDataKey([]byte(base64.StdEncoding.EncodeToString(out.CiphertextBlob)))
		return master, nil
	}}
}

// Unasked is a key of a service that is not asked for it: what a file holds for it
// can't be decrypted by anyone.
func Unasked(master keys.MasterKey) *Key {
	return &Key{Name: master.ToString(), encrypt: func([]byte) (keys.MasterKey, error) {
		master.SetEncryptedDataKey([]byte("AAAA"))
		return master, nil
	}}
}
