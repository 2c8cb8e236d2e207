package hosts

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

// KMS is a server of AWS KMS's API, with one key. It asks nobody who he is.
type KMS struct {
	// Host is its address, the same after it was stopped and started again, and Key
	// the key's ARN.
	Host, Key string
	dir       string
	server
}

const keyID = "bc436485-5092-42b8-92a3-0aa8b93536dc"

// NewKMS starts a key service that keeps its keys in an empty folder.
func NewKMS(dir string) (*KMS, error) {
	host, err := free()
	if err != nil {
		return nil, err
	}
	secret := make([]byte, 32)
	if _, err := rand.Read(secret); err != nil {
		return nil, err
	}
	seed := fmt.Sprintf("Keys: {Symmetric: {Aes: [{Metadata: {KeyId: %s}, BackingKeys: [%q]}]}}\n", keyID, hex.EncodeToString(secret))
	if err := os.WriteFile(filepath.Join(dir, "seed.yaml"), []byte(seed), 0o600); err != nil {
		return nil, err
	}
	k := &KMS{Host: host, Key: "arn:aws:kms:eu-west-2:111122223333:key/" + keyID, dir: dir}
	return k, k.Start()
}

// Start starts a key service that was stopped, with its key as it was.
func (k *KMS) Start() error {
	_, port, err := net.SplitHostPort(k.Host)
	if err != nil {
		return err
	}
	env := []string{"PORT=" + port, "KMS_SEED_PATH=" + filepath.Join(k.dir, "seed.yaml"), "KMS_DATA_PATH=" + filepath.Join(k.dir, "data")}
	return k.start(k.Host, filepath.Join(k.dir, "kms.log"), env, "local-kms")
}

// Enable has the key decrypt again, or no more.
func (k *KMS) Enable(on bool) error {
	action := map[bool]string{true: "EnableKey", false: "DisableKey"}[on]
	request, err := http.NewRequest(http.MethodPost, "http://"+k.Host, strings.NewReader(fmt.Sprintf(`{"KeyId": %q}`, keyID)))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/x-amz-json-1.1")
	request.Header.Set("X-Amz-Target", "TrentService."+action)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", action, answer.Status)
	}
	return nil
}
