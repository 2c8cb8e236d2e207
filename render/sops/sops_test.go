package sops_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	library "github.com/getsops/sops/v3"
	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/xetys/tether/render/sops"
	made "github.com/xetys/tether/test/sops"
)

const secrets = `# who can read this
database:
  password: hunter2 # inline
  port: 5432
  ratio: 0.5
  big: 1e3
  enabled: true
  none: null
  empty: ""
  list:
    # of words
    - a
    - {b: c}
  text: |
    two
    lines
host_unencrypted: db.example.com
answer_unencrypted: 42
`

func key(t *testing.T) func(*made.Key, error) *made.Key {
	return func(k *made.Key, err error) *made.Key {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
}

func keysOf(t *testing.T, all ...*made.Key) *sops.Keys {
	t.Helper()
	files := map[string][]byte{}
	for i, k := range all {
		files[string(rune('a'+i))] = k.Private
	}
	out, err := sops.NewKeys(files)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func encrypt(t *testing.T, plain, format string, change func(*library.Metadata), keys ...*made.Key) []byte {
	t.Helper()
	raw, err := made.Encrypt([]byte(plain), format, change, keys...)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(raw), "hunter2") && format != "yaml" {
		t.Fatalf("it is not encrypted:\n%s", raw)
	}
	return raw
}

// What sops encrypts is decrypted to what a plain values file would hold.
func TestWhatSopsEncryptsIsDecrypted(t *testing.T) {
	ageKey, pgpKey := key(t)(made.AgeKey()), key(t)(made.PGPKey(""))
	other := key(t)(made.AgeKey())
	want := map[string]any{}
	if err := yaml.Unmarshal([]byte(secrets), &want); err != nil {
		t.Fatal(err)
	}
	asJSON, err := yaml.YAMLToJSON([]byte(secrets))
	if err != nil {
		t.Fatal(err)
	}
	regex := func(m *library.Metadata) { m.UnencryptedSuffix, m.EncryptedRegex = "", "^(password|text)$" }
	only := func(m *library.Metadata) { m.MACOnlyEncrypted = true }
	for sentence, c := range map[string]struct {
		format, plain string
		change        func(*library.Metadata)
		to, with      []*made.Key
	}{
		"YAML with an age key":                     {"yaml", secrets, nil, []*made.Key{ageKey}, []*made.Key{ageKey}},
		"YAML with a PGP key":                      {"yaml", secrets, nil, []*made.Key{pgpKey}, []*made.Key{pgpKey}},
		"YAML for two keys, of which one is there": {"yaml", secrets, nil, []*made.Key{other, pgpKey}, []*made.Key{pgpKey, ageKey}},
		"JSON":                              {"json", string(asJSON), nil, []*made.Key{ageKey}, []*made.Key{ageKey}},
		"a file as a whole":                 {"binary", secrets, nil, []*made.Key{ageKey}, []*made.Key{ageKey}},
		"YAML of which a part is encrypted": {"yaml", secrets, regex, []*made.Key{ageKey}, []*made.Key{ageKey}},
		"JSON of which a part is encrypted": {"json", string(asJSON), regex, []*made.Key{ageKey}, []*made.Key{ageKey}},
		"a MAC of what is encrypted alone":  {"yaml", secrets, only, []*made.Key{ageKey}, []*made.Key{ageKey}},
	} {
		t.Run(sentence, func(t *testing.T) {
			raw := encrypt(t, c.plain, c.format, c.change, c.to...)
			seen := map[string]any{}
			if err := yaml.Unmarshal(raw, &seen); err != nil || !sops.Encrypted(seen) {
				t.Errorf("it is not seen to be encrypted: %v\n%s", err, raw)
			}
			if err := sops.Check(raw); err != nil {
				t.Error(err)
			}
			have, err := keysOf(t, c.with...).Decrypt(t.Context(), raw)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, have); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWhatIsNotDecrypted(t *testing.T) {
	ageKey, other := key(t)(made.AgeKey()), key(t)(made.AgeKey())
	raw := string(encrypt(t, secrets, "yaml", nil, ageKey))
	// The machine's own keys are none of ours.
	t.Setenv("SOPS_AGE_KEY", string(ageKey.Private))
	kms := strings.Replace(raw, "    age:\n", "    hc_vault:\n        - vault_address: https://thief.example.com\n          engine_path: transit\n          key_name: k\n          created_at: \"2026-01-01T00:00:00Z\"\n          enc: vault:v1:x\n    age:\n", 1)
	azure := strings.Replace(raw, "    age:\n", "    azure_kv:\n        - vault_url: https://thief.example.com\n          name: k\n          version: v\n          created_at: \"2026-01-01T00:00:00Z\"\n          enc: x\n    age:\n", 1)
	for sentence, c := range map[string]struct {
		text string
		keys *sops.Keys
		want string
	}{
		"a file without its key":            {raw, keysOf(t, other), "none of its keys is there: it is encrypted for age key " + ageKey.Name + ", and there is age key " + other.Name},
		"a file without any key":            {raw, &sops.Keys{}, "and there is no age and no PGP key"},
		"a value that was moved":            {swap(raw, "password", "empty"), keysOf(t, ageKey), "one of its values can't be decrypted: it was changed without sops"},
		"a value in the clear that changed": {strings.Replace(raw, "db.example.com", "db.example.org", 1), keysOf(t, ageKey), "its mac is not that of its contents"},
		"a key that was left out":           {strings.Replace(raw, "answer_unencrypted: 42\n", "", 1), keysOf(t, ageKey), "its mac is not that of its contents"},
		"a MAC that was taken off":          {without(raw, "mac:"), keysOf(t, ageKey), "its sops metadata has no mac"},
		"metadata that are none":            {strings.Replace(raw, "sops:\n", "sops: {mac: x}\nx:\n", 1), keysOf(t, ageKey), "sops metadata"},
		"a key that stands twice":           {raw + "host_unencrypted: x\n", keysOf(t, ageKey), "it is no map in YAML or JSON"},
		"two documents":                     {raw + "---\na: b\n", keysOf(t, ageKey), "it holds more than one document"},
		"a token for a stranger's Vault":    {kms, keysOf(t, other), "not asked: it is not the server of VAULT_ADDR"},
		"a request to a stranger's server":  {azure, keysOf(t, other), "not asked: it is no vault of Azure's"},
	} {
		t.Run(sentence, func(t *testing.T) {
			values, err := c.keys.Decrypt(t.Context(), []byte(c.text))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
			if values != nil || err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%v, %v", values, err)
			}
		})
	}
}

// swap exchanges the values of two keys.
func swap(text, a, b string) string {
	at := func(k string) string {
		_, rest, _ := strings.Cut(text, " "+k+": ")
		v, _, _ := strings.Cut(rest, "\n")
		return v
	}
	va, vb := at(a), at(b)
	return strings.NewReplacer(" "+a+": "+va, " "+a+": "+vb, " "+b+": "+vb, " "+b+": "+va).Replace(text)
}

func without(text, line string) string {
	var out []string
	for l := range strings.Lines(text) {
		if !strings.HasPrefix(strings.TrimSpace(l), line) {
			out = append(out, l)
		}
	}
	return strings.Join(out, "")
}

func TestKeysThatAreNone(t *testing.T) {
	locked := key(t)(made.PGPKey("hunter2"))
	for sentence, c := range map[string]struct{ text, want string }{
		"what is no key":          {"hunter2", "key k: it holds neither age identities (AGE-SECRET-KEY-…) nor an armored OpenPGP private key"},
		"a key with a passphrase": {string(locked.Private), "PGP key " + locked.Name + " is protected by a passphrase: export it without one"},
		"armor around nothing":    {"-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n-----END PGP PRIVATE KEY BLOCK-----\n", "key k: it is no armored OpenPGP key"},
	} {
		t.Run(sentence, func(t *testing.T) {
			_, err := sops.NewKeys(map[string][]byte{"k": []byte(c.text)})
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// A chart may have values of its own under sops.
func TestValuesOfAChartNamedSopsAreNotEncrypted(t *testing.T) {
	if sops.Encrypted(map[string]any{"sops": map[string]any{"enabled": true}}) || sops.Encrypted(map[string]any{"sops": "x"}) {
		t.Error("they are taken for encrypted")
	}
}

// A key service that does not answer is no verdict on the file.
func TestACloudThatIsAwayIsSaidToBeAway(t *testing.T) {
	ageKey := key(t)(made.AgeKey())
	t.Setenv("VAULT_ADDR", "http://127.0.0.1:1")
	t.Setenv("VAULT_TOKEN", "x")
	t.Setenv("VAULT_MAX_RETRIES", "0")
	raw := strings.Replace(string(encrypt(t, secrets, "yaml", nil, ageKey)), "    age:\n", "    hc_vault:\n        - vault_address: http://127.0.0.1:1\n          engine_path: transit\n          key_name: k\n          created_at: \"2026-01-01T00:00:00Z\"\n          enc: vault:v1:x\n    age:\n", 1)
	_, err := (&sops.Keys{}).Decrypt(context.Background(), []byte(raw))
	var away *sops.UnavailableError
	if !errors.As(err, &away) || !strings.Contains(err.Error(), "Vault key http://127.0.0.1:1/v1/transit/keys/k: ") {
		t.Errorf("%v", err)
	}
}

// Whatever a file holds, looking at it ends.
func FuzzDecrypt(f *testing.F) {
	f.Add("a: ENC[AES256_GCM,data:x,iv:x,tag:x,type:str]\nsops: {mac: x, age: [{recipient: a, enc: b}]}\n")
	f.Add("{\"data\": \"x\", \"sops\": {\"mac\": \"x\"}}")
	f.Add("a: &a [*a]\nsops: {mac: x}\n")
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := (&sops.Keys{}).Decrypt(t.Context(), []byte(text)); err == nil {
			t.Error("it is decrypted without a key")
		}
	})
}
