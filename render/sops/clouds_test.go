package sops

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	library "github.com/getsops/sops/v3"
	"github.com/getsops/sops/v3/gcpkms"
	"github.com/getsops/sops/v3/hcvault"
	"github.com/getsops/sops/v3/keys"
	"github.com/getsops/sops/v3/keyservice"
	"github.com/getsops/sops/v3/kms"

	"github.com/xetys/tether/test/hosts"
	made "github.com/xetys/tether/test/sops"
)

const (
	arn    = "arn:aws:kms:eu-west-2:111122223333:key/k"
	gcpKey = "projects/p/locations/global/keyRings/r/cryptoKeys/k"
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

// A service's answer is told in its own words, the same at each try, with what it was
// asked with.
func TestWhatAKeyServiceAnswersIsTold(t *testing.T) {
	var asked atomic.Int32
	for sentence, c := range map[string]struct {
		key    func(host string) keys.MasterKey
		status int
		answer string
		want   string
	}{
		"AWS denies it": {
			func(string) keys.MasterKey { return kms.NewMasterKey(arn, "", nil) }, 400,
			`{"__type": "AccessDeniedException", "Message": "User: arn:aws:sts::1:assumed-role/tether/x is not authorized to perform: kms:Decrypt"}`,
			"AWS KMS key " + arn + ": AccessDeniedException: User: arn:aws:sts::1:assumed-role/tether/x is not authorized to perform: kms:Decrypt; it is asked with " + aws,
		},
		"AWS doesn't know who asks": {
			func(string) keys.MasterKey { return kms.NewMasterKey(arn, "", nil) }, 400,
			`{"__type": "UnrecognizedClientException", "message": "The security token included in the request is invalid."}`,
			"AWS KMS key " + arn + ": UnrecognizedClientException: The security token included in the request is invalid.; it is asked with " + aws,
		},
		"GCP denies it": {
			func(string) keys.MasterKey { return gcpkms.NewMasterKeyFromResourceID(gcpKey) }, 403,
			`{"error": {"code": 403, "status": "PERMISSION_DENIED", "message": "Permission 'cloudkms.cryptoKeyVersions.useToDecrypt' denied on resource '` + gcpKey + `' (or it may not exist)."}}`,
			"GCP KMS key " + gcpKey + ": ",
		},
		"Vault denies it": {
			func(host string) keys.MasterKey { return hcvault.NewMasterKey("http://"+host, "transit", "k") }, 403,
			`{"errors": ["permission denied"]}`,
			"/v1/transit/keys/k: Code: 403. Errors: * permission denied; it is asked with " + vault,
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.Header().Set("X-Amzn-Requestid", fmt.Sprintf("request-%d", asked.Add(1)))
				w.WriteHeader(c.status)
				_, _ = w.Write([]byte(c.answer)) // who asks sees whether it arrived
			}))
			defer server.Close()
			for name, value := range map[string]string{
				"AWS_ENDPOINT_URL_KMS": server.URL, "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret-of-ann",
				"SOPS_GCP_KMS_ENDPOINT": server.URL, "SOPS_GCP_KMS_CLIENT_TYPE": "rest", "GOOGLE_OAUTH_ACCESS_TOKEN": "secret-of-ann",
				"VAULT_ADDR": server.URL, "VAULT_TOKEN": "secret-of-ann",
			} {
				t.Setenv(name, value)
			}
			err := decrypt(t, c.key(server.Listener.Addr().String()))
			var away *UnavailableError
			if !errors.As(err, &away) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "request-") {
				t.Errorf("%v, want %s", err, c.want)
			}
			if again := decrypt(t, c.key(server.Listener.Addr().String())); again.Error() != err.Error() {
				t.Errorf("%v, and then %v", err, again)
			}
		})
	}
}

// What the libraries of the services that can't be asked on this machine say.
func TestALongErrorIsToldInASentence(t *testing.T) {
	for sentence, c := range map[string]struct{ text, want string }{
		"of Azure's vault": {
			"failed to decrypt sops data key with Azure Key Vault key 'https://v.vault.azure.net/keys/k/1': POST https://v.vault.azure.net/keys/k/1/decrypt\n----\nRESPONSE 403: 403 Forbidden\nERROR CODE: Forbidden\n----\n{\n  \"error\": {\n    \"code\": \"Forbidden\",\n    \"message\": \"Caller is not authorized to perform action on resource.\\r\\nCaller: appid=a\",\n    \"innererror\": {\n      \"code\": \"ForbiddenByRbac\"\n    }\n  }\n}\n----\n",
			"Caller is not authorized to perform action on resource. Caller: appid=a",
		},
		"of Azure's directory": {
			"ClientSecretCredential authentication failed.\nPOST https://login.microsoftonline.com/t/oauth2/v2.0/token\nRESPONSE 401: 401 Unauthorized\n{\n  \"error\": \"invalid_client\",\n  \"error_description\": \"AADSTS7000215: Invalid client secret provided. Trace ID: 1 Correlation ID: 2 Timestamp: 2026-01-01 00:00:00Z\",\n  \"trace_id\": \"1\"\n}",
			"AADSTS7000215: Invalid client secret provided.",
		},
		"of Huawei": {
			`failed to decrypt sops data key with HuaweiCloud KMS: {"status_code":403,"request_id":"1","error_code":"KMS.0311","error_message":"Access denied.","encoded_authorization_message":""}`,
			"Access denied.",
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			if have, reached := reason(errors.New(c.text)); have != c.want || !reached {
				t.Errorf("%q, want %q", have, c.want)
			}
		})
	}
}

// Connections are told apart by what they lead to, and not by the port that they came
// from.
func TestWhatIsNotReached(t *testing.T) {
	to := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8200}
	from := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 40001}
	metadata := &net.TCPAddr{IP: net.IPv4(169, 254, 169, 254), Port: 80}
	for sentence, c := range map[string]struct {
		err     error
		want    string
		reached bool
	}{
		"a server that breaks off":                 {&net.OpError{Op: "read", Net: "tcp", Source: from, Addr: to, Err: errors.New("reset")}, "read 127.0.0.1:8200: reset", false},
		"a name that nobody knows":                 {&net.OpError{Op: "dial", Err: &net.DNSError{Name: "v.vault.azure.net", Server: "10.0.0.1"}}, "the name v.vault.azure.net can't be looked up", false},
		"credentials where there is nobody to ask": {fmt.Errorf("no EC2 IMDS role found: %w", &net.OpError{Op: "dial", Net: "tcp", Addr: metadata, Err: errors.New("refused")}), "no EC2 IMDS role found: dial tcp 169.254.169.254:80: refused", true},
	} {
		t.Run(sentence, func(t *testing.T) {
			if have, reached := reason(c.err); have != c.want || reached != c.reached {
				t.Errorf("%q %v, want %q", have, reached, c.want)
			}
		})
	}
}

// What a service is asked with goes to no other server, wherever the service leads.
func TestAKeyServiceThatLeadsElsewhereIsNotFollowed(t *testing.T) {
	thief := &hosts.Eavesdropper{}
	elsewhere := httptest.NewServer(thief)
	defer elsewhere.Close()
	for sentence, key := range map[string]func(host string) keys.MasterKey{
		"AWS":   func(string) keys.MasterKey { return kms.NewMasterKey(arn, "", nil) },
		"Vault": func(host string) keys.MasterKey { return hcvault.NewMasterKey("http://"+host, "transit", "k") },
		"GCP":   func(string) keys.MasterKey { return gcpkms.NewMasterKeyFromResourceID(gcpKey) },
	} {
		for _, status := range []int{301, 302, 303, 307, 308} {
			t.Run(fmt.Sprint(sentence, status), func(t *testing.T) {
				server := httptest.NewServer(http.RedirectHandler(elsewhere.URL+"/x", status))
				defer server.Close()
				for name, value := range map[string]string{
					"AWS_ENDPOINT_URL_KMS": server.URL, "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret-of-ann", "AWS_SESSION_TOKEN": "secret-of-ann",
					"VAULT_ADDR": server.URL, "VAULT_TOKEN": "secret-of-ann", "AWS_MAX_ATTEMPTS": "1", "VAULT_MAX_RETRIES": "0",
					"SOPS_GCP_KMS_ENDPOINT": server.URL, "SOPS_GCP_KMS_CLIENT_TYPE": "REST", "GOOGLE_OAUTH_ACCESS_TOKEN": "secret-of-ann",
				} {
					t.Setenv(name, value)
				}
				err := decrypt(t, key(server.Listener.Addr().String()))
				if err == nil || sentence != "AWS" && !strings.Contains(err.Error(), " redirects to "+elsewhere.URL+"/x, which is another server") {
					t.Errorf("%v", err)
				}
				if told := thief.Requests(); len(told) > 0 {
					t.Errorf("the other server was told %q; %v", told, err)
				}
			})
		}
	}
}

// Azure's vaults have names of their own, which no test has: what they are asked through
// sends nothing on.
func TestAzureThatLeadsElsewhereIsNotFollowed(t *testing.T) {
	thief := &hosts.Eavesdropper{}
	elsewhere := httptest.NewServer(thief)
	defer elsewhere.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		server := httptest.NewServer(http.RedirectHandler(elsewhere.URL+"/x", status))
		defer server.Close()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, strings.NewReader("client_secret=secret-of-ann"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer secret-of-ann")
		resp, err := azureClient().Do(req)
		if err == nil {
			resp.Body.Close()
		}
		if told := thief.Requests(); err == nil || len(told) > 0 {
			t.Errorf("%d: the other server was told %q; %v", status, told, err)
		}
	}
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

// Amazon's library would write a line of its own between those of the agent's log.
func TestNothingIsWrittenBesideTheError(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	defer server.Close()
	for name, value := range map[string]string{
		"AWS_EC2_METADATA_SERVICE_ENDPOINT": server.URL, "AWS_EC2_METADATA_DISABLED": "", "AWS_ENDPOINT_URL_KMS": server.URL, "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
		"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_PROFILE": "", "AWS_WEB_IDENTITY_TOKEN_FILE": "", "AWS_CONTAINER_CREDENTIALS_FULL_URI": "",
	} {
		t.Setenv(name, value)
	}
	written, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer written.Close()
	own := os.Stderr
	os.Stderr = written
	err = decrypt(t, kms.NewMasterKey(arn, "", nil))
	os.Stderr = own
	if !strings.Contains(err.Error(), "no EC2 IMDS role found") {
		t.Errorf("%v", err)
	}
	if text, err := os.ReadFile(written.Name()); err != nil || len(text) > 0 {
		t.Errorf("%s %v", text, err)
	}
}

// However many services a file names that don't answer, the wait for them ends.
func TestServicesThatDoNotAnswerAreNotWaitedForForEver(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	address := "http://" + silent.Addr().String()
	t.Setenv("VAULT_ADDR", address)
	t.Setenv("VAULT_TOKEN", "x")
	limits := patience{one: 20 * time.Millisecond, file: 50 * time.Millisecond}
	ctx, cancel := context.WithTimeoutCause(t.Context(), limits.file, errors.New("no more time"))
	defer cancel()
	s := &service{ctx: ctx, keys: &Keys{}, patience: limits}
	group := slices.Repeat(library.KeyGroup{hcvault.NewMasterKey(address, "transit", "k")}, 1000)
	meta := library.Metadata{KeyGroups: []library.KeyGroup{group}}
	if _, err := meta.GetDataKeyWithKeyServices([]keyservice.KeyServiceClient{keyservice.NewCustomLocalClient(s)}, nil); err == nil {
		t.Error("it is decrypted")
	}
	if n := len(s.away); n == 0 || n > 10 || !strings.Contains(s.away[0], "no answer within 20ms") || strings.Contains(s.away[0], "it is asked with") {
		t.Errorf("%d: %.200v", n, s.away)
	}
}
