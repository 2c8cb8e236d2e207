package sops

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/getsops/sops/v3/hcvault"
	"github.com/getsops/sops/v3/keys"

	made "github.com/xetys/tether/test/sops"
)

// decrypt tries to decrypt a file that is for some keys.
func decrypt(t *testing.T, all ...keys.MasterKey) error {
	t.Helper()
	var recipients []*made.Key
	for _, k := range all {
		recipients = append(recipients, made.Unasked(k))
	}
	raw, err := made.Encrypt([]byte("password: hunter2\n"), "yaml", nil, recipients...)
	if err != nil {
		t.Fatal(err)
	}
	_, err = (&Keys{}).Decrypt(t.Context(), raw)
	if err == nil || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "secret-of") {
		t.Fatalf("%v", err)
	}
	return err
}

// A token is for decrypting, and for nothing else that can be asked of Vault.
func TestAFileHasNothingElseDoneByVault(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { t.Errorf("%s was asked", r.URL) }))
	defer server.Close()
	t.Setenv("VAULT_ADDR", server.URL)
	t.Setenv("VAULT_TOKEN", "secret-of-ann")
	for sentence, k := range map[string]*hcvault.MasterKey{
		"seal it":              hcvault.NewMasterKey(server.URL, "sys", "../seal"),
		"revoke the token":     hcvault.NewMasterKey(server.URL, "auth/token/revoke-self/x", "../.."),
		"an engine upwards":    hcvault.NewMasterKey(server.URL, "transit/../sys", "k"),
		"a key of no name":     hcvault.NewMasterKey(server.URL, "transit", ""),
		"a key that is a path": hcvault.NewMasterKey(server.URL, "transit", "k/x"),
	} {
		t.Run(sentence, func(t *testing.T) {
			if err := decrypt(t, k); !errors.Is(err, ErrKeys) || !strings.Contains(err.Error(), "not asked: its engine and name lead elsewhere than to a key") {
				t.Errorf("%v", err)
			}
		})
	}
}
