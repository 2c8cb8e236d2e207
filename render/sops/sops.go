// Package sops decrypts values that were encrypted with SOPS.
//
// It does not know whose values they are, nor where keys are kept: keys are given to it. Only
// cloud key services are asked with the process's own credentials, as sops does.
package sops

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/getsops/sops/v3"
	"github.com/getsops/sops/v3/aes"
	"github.com/getsops/sops/v3/keyservice"
	"github.com/getsops/sops/v3/logging"
	"github.com/sirupsen/logrus"

	"github.com/xetys/tether/render/yamldoc"
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

// Check reports what is wrong with a file, as far as that can be seen without its
// key.
func Check(raw []byte) error {
	_, err := tree(raw)
	return err
}

// Decrypt returns the values of a file in the clear. It is refused if its MAC is not
// that of its contents. Errors never hold any of them.
func (k *Keys) Decrypt(ctx context.Context, raw []byte) (map[string]any, error) {
	t, err := tree(raw)
	if err != nil {
		return nil, err
	}
	key, err := k.dataKey(ctx, &t)
	if err != nil {
		return nil, err
	}
	cipher := aes.NewCipher()
	computed, err := t.Decrypt(key, cipher)
	if err != nil {
		return nil, errors.New("one of its values can't be decrypted: it was changed without sops")
	}
	stored, err := cipher.Decrypt(t.Metadata.MessageAuthenticationCode, key, t.Metadata.LastModified.Format(time.RFC3339))
	if err != nil || stored != computed {
		return nil, errors.New("its mac is not that of its contents: it was changed without sops")
	}
	return valuesOf(raw, t)
}

// valuesOf gives what was decrypted the types that a values file has.
func valuesOf(raw []byte, t sops.Tree) (map[string]any, error) {
	values := map[string]any{}
	text, ok := whole(raw, t)
	if !ok {
		encoded, err := json.Marshal(plain(t.Branches[0]))
		if err != nil {
			return nil, errors.New("it holds what no values file can hold")
		}
		text = string(encoded)
	}
	if err := yamldoc.File.Unmarshal([]byte(text), &values); errors.As(err, new(*yamldoc.LimitError)) {
		return nil, err
	} else if err != nil {
		return nil, errors.New("it is not a map of values once it is decrypted")
	}
	return values, nil
}

// dataKey asks every key of the file until enough of them answer.
func (k *Keys) dataKey(ctx context.Context, tree *sops.Tree) ([]byte, error) {
	limited, cancel := context.WithTimeoutCause(ctx, usual.file, fmt.Errorf("no answer within %s", usual.file))
	defer cancel()
	asked := &service{ctx: limited, keys: k, patience: usual}
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
