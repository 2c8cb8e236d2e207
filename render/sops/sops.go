// Package sops decrypts values that were encrypted with SOPS.
//
// It does not know whose values they are, nor where keys are kept: it is handed the
// keys. Only the cloud key services are asked with what the process itself is
// allowed, as sops does.
package sops

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/getsops/sops/v3"
	"github.com/getsops/sops/v3/aes"
	"github.com/getsops/sops/v3/config"
	"github.com/getsops/sops/v3/keyservice"
	"github.com/getsops/sops/v3/logging"
	"github.com/getsops/sops/v3/stores/json"
	"github.com/getsops/sops/v3/stores/yaml"
	"github.com/sirupsen/logrus"
)

// sops logs by itself; what matters is in the errors.
func init() { logging.SetLevel(logrus.PanicLevel) }

// ErrKeys says that a file can't be decrypted with the keys that are there. Others
// may be there later.
var ErrKeys = errors.New("none of its keys is there")

// UnavailableError says that a key service did not answer, or did not want to.
type UnavailableError struct{ text string }

// Error names the services.
func (e *UnavailableError) Error() string { return e.text }

// Encrypted reports whether values are those of a file that SOPS encrypted. A chart
// may have values of its own under sops.
func Encrypted(values map[string]any) bool {
	meta, ok := values["sops"].(map[string]any)
	if !ok {
		return false
	}
	_, mac := meta["mac"]
	_, modified := meta["lastmodified"]
	return mac || modified
}

// store reads and writes one of the formats of sops.
type store interface {
	LoadEncryptedFile([]byte) (sops.Tree, error)
	EmitPlainFile(sops.TreeBranches) ([]byte, error)
}

// storeOf tells how a file was encrypted: as JSON, as YAML, or as a whole, of which
// sops makes JSON with the one key data.
func storeOf(raw []byte) store {
	stores := config.NewStoresConfig()
	if !strings.HasPrefix(strings.TrimSpace(string(raw)), "{") {
		return yaml.NewStore(&stores.YAML)
	}
	asJSON := json.NewStore(&stores.JSON)
	tree, err := asJSON.LoadEncryptedFile(raw)
	if err != nil || len(tree.Branches) != 1 || len(tree.Branches[0]) != 1 || tree.Branches[0][0].Key != "data" {
		return asJSON
	}
	if _, text := tree.Branches[0][0].Value.(string); !text {
		return asJSON
	}
	return json.NewBinaryStore(&stores.JSONBinary)
}

// Check reports whether a file is what sops writes, as far as that can be seen
// without its key.
func Check(raw []byte) error {
	_, err := load(storeOf(raw), raw)
	return err
}

func load(s store, raw []byte) (sops.Tree, error) {
	tree, err := s.LoadEncryptedFile(raw)
	switch {
	case err != nil:
		return tree, fmt.Errorf("its sops metadata can't be read: %w", err)
	case len(tree.Branches) != 1:
		return tree, errors.New("it holds more than one document: keep one")
	case tree.Metadata.MessageAuthenticationCode == "":
		return tree, errors.New("its sops metadata has no mac, so that changes to it would not show: encrypt it anew")
	case tree.Metadata.MasterKeyCount() == 0:
		return tree, errors.New("its sops metadata names no key: encrypt it anew")
	}
	return tree, nil
}

// Decrypt returns a file in the clear. It is refused if its MAC is not that of its
// contents. Errors never hold any of them.
func (k *Keys) Decrypt(ctx context.Context, raw []byte) ([]byte, error) {
	s := storeOf(raw)
	tree, err := load(s, raw)
	if err != nil {
		return nil, err
	}
	key, err := k.dataKey(ctx, &tree)
	if err != nil {
		return nil, err
	}
	cipher := aes.NewCipher()
	computed, err := tree.Decrypt(key, cipher)
	if err != nil {
		return nil, errors.New("one of its values can't be decrypted: it was changed without sops")
	}
	stored, err := cipher.Decrypt(tree.Metadata.MessageAuthenticationCode, key, tree.Metadata.LastModified.Format(time.RFC3339))
	if err != nil || stored != computed {
		return nil, errors.New("its mac is not that of its contents: it was changed without sops")
	}
	plain, err := s.EmitPlainFile(tree.Branches)
	if err != nil {
		return nil, errors.New("it can't be written in the clear")
	}
	return plain, nil
}

// dataKey asks every key of the file until enough of them answer.
func (k *Keys) dataKey(ctx context.Context, tree *sops.Tree) ([]byte, error) {
	asked := &service{ctx: ctx, keys: k}
	key, err := tree.Metadata.GetDataKeyWithKeyServices([]keyservice.KeyServiceClient{keyservice.NewCustomLocalClient(asked)}, sops.DefaultDecryptionOrder)
	switch {
	case err == nil:
		return key, nil
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case len(asked.away) > 0:
		return nil, &UnavailableError{strings.Join(asked.away, "; ")}
	}
	return nil, fmt.Errorf("%w: it is encrypted for %s, and there is %s", ErrKeys, strings.Join(asked.names, ", "), k)
}
