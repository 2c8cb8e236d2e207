package sops

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path"
	"regexp"
	"strings"
	"time"

	"github.com/getsops/sops/v3/keyservice"

	"github.com/xetys/tether/source/outbound"
)

// These are the credentials of each service, which its library takes from the environment.
const (
	aws    = "the IAM role of the agent's service account, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
	gcp    = "the agent's workload identity, or GOOGLE_APPLICATION_CREDENTIALS"
	azure  = "the agent's workload identity, or AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET"
	huawei = "HUAWEICLOUD_SDK_AK and HUAWEICLOUD_SDK_SK"
	vault  = "VAULT_TOKEN, or the file .vault-token in the home directory"
)

// patience bounds the requests to key services, to which sops gives no context: what
// else there is to do in the environment waits for them.
type patience struct{ one, file time.Duration }

var usual = patience{one: 15 * time.Second, file: 30 * time.Second}

// cloud asks a key service, unless it is refused to.
func (s *service) cloud(with, name string, r *keyservice.DecryptRequest, refused error) (*keyservice.DecryptResponse, error) {
	if refused != nil {
		s.lacks(fmt.Sprintf("%s (not asked: %v)", name, refused))
		return nil, refused
	}
	if s.ctx.Err() != nil { // for the file there was no more time
		return nil, context.Cause(s.ctx)
	}
	ctx, cancel := context.WithTimeoutCause(s.ctx, s.patience.one, fmt.Errorf("no answer within %s", s.patience.one))
	defer cancel()
	response, err := ask(ctx, r)
	if err == nil {
		return response, nil
	}
	text, reached := reason(err)
	if reached {
		text += "; it is asked with " + with
	}
	s.away = append(s.away, name+": "+text)
	return nil, err
}

// ask asks until ctx ends: the libraries end later by themselves.
func ask(ctx context.Context, r *keyservice.DecryptRequest) (*keyservice.DecryptResponse, error) {
	type answer struct {
		response *keyservice.DecryptResponse
		err      error
	}
	answered := make(chan answer, 1)
	go func() {
		var a answer
		switch k := r.GetKey().GetKeyType().(type) {
		case *keyservice.Key_KmsKey:
			a.response, a.err = askAWS(ctx, k.KmsKey, r.Ciphertext)
		case *keyservice.Key_VaultKey:
			a.response, a.err = askVault(ctx, k.VaultKey, r.Ciphertext)
		case *keyservice.Key_GcpKmsKey:
			a.response, a.err = askGCP(ctx, k.GcpKmsKey, r.Ciphertext)
		case *keyservice.Key_AzureKeyvaultKey:
			a.response, a.err = askAzure(ctx, k.AzureKeyvaultKey, r.Ciphertext)
		default: // Huawei's library follows no redirect
			a.response, a.err = keyservice.Server{}.Decrypt(ctx, r)
		}
		answered <- a
	}()
	select {
	case a := <-answered:
		return a.response, a.err
	case <-ctx.Done():
		return nil, &net.OpError{Op: "wait", Err: context.Cause(ctx)}
	}
}

// told is where the libraries of Azure and Huawei quote what the service said.
var told = regexp.MustCompile(`"(?:message|error_description|error_msg|error_message)":\s*("(?:[^"\\]|\\.)*")`)

// passing is what is another each time, or for a library's developers.
var passing = regexp.MustCompile(` ?Trace ID: .*| error details: name = .*|RequestID: [^ ,]*, |failed to decrypt sops data key [^:]*: |Error making API request. URL: [^ ]+ [^ ]+ `)

// reason tells on one line what went wrong, in the same words each time, and whether
// the service was reached.
func reason(err error) (string, bool) {
	var op *net.OpError
	var dns *net.DNSError
	var said interface {
		ErrorCode() string
		ErrorMessage() string
	} // by AWS
	var elsewhere *outbound.RedirectError
	text := err.Error()
	switch {
	case errors.As(err, &elsewhere):
		return elsewhere.Error(), false
	case errors.As(err, &dns):
		return fmt.Sprintf("the name %s can't be looked up", dns.Name), false
	case errors.As(err, &op) && credentials(op.Addr):
	case errors.As(err, &op) && op.Addr != nil:
		return fmt.Sprintf("%s %s: %v", op.Op, op.Addr, op.Err), false
	case errors.As(err, &op):
		return op.Err.Error(), false
	case errors.As(err, &said):
		text = said.ErrorCode() + ": " + said.ErrorMessage()
	}
	if m := told.FindStringSubmatch(text); m != nil {
		var message string
		if json.Unmarshal([]byte(m[1]), &message) == nil {
			text = message
		}
	}
	return passing.ReplaceAllString(strings.Join(strings.Fields(text), " "), ""), true
}

// credentials reports whether an address is that at which clouds hand them out: it is
// asked last, where there are no others.
func credentials(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return ok && tcp.IP.IsLinkLocalUnicast()
}

// The hosts of Azure's vaults, in all of its clouds.
var azureHosts = []string{".vault.azure.net", ".managedhsm.azure.net", ".vault.azure.cn", ".managedhsm.azure.cn", ".vault.usgovcloudapi.net", ".managedhsm.usgovcloudapi.net"}

// notAzure keeps a file from having any server of its choice asked.
func notAzure(vaultURL string) error {
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

// notVault keeps a file from having the process's token sent to a server of its
// choice, or anything else done with it than to decrypt.
func notVault(k *keyservice.VaultKey) error {
	own := os.Getenv("VAULT_ADDR")
	if own == "" || strings.TrimSuffix(own, "/") != strings.TrimSuffix(k.VaultAddress, "/") {
		return errors.New("it is not the server of VAULT_ADDR")
	}
	if strings.Contains(k.KeyName, "/") || path.Join(k.EnginePath, "decrypt", k.KeyName) != strings.Trim(k.EnginePath, "/")+"/decrypt/"+k.KeyName {
		return errors.New("its engine and name lead elsewhere than to a key")
	}
	return nil
}
