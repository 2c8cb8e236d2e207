package e2e_test

import (
	"os"
	"strings"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/xetys/tether/test/sops"
)

// agekey makes an age key: agekey FILE.
func agekey(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: agekey FILE")
	}
	k, err := sops.AgeKey()
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), k.Private, 0o600))
}

// pgpKeys are the keys that scripts made, by their files.
var pgpKeys sync.Map

// pgpkey makes an OpenPGP key: pgpkey FILE.
func pgpkey(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: pgpkey FILE")
	}
	k, err := sops.PGPKey("")
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), k.Private, 0o600))
	pgpKeys.Store(ts.MkAbs(args[0]), k)
}

// encrypt encrypts a file of values in its place for a key, a key's file or the ARN of
// the key service's: encrypt FILE KEYFILE|ARN.
func encrypt(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: encrypt FILE KEYFILE|ARN")
	}
	raw, err := sops.Encrypt([]byte(ts.ReadFile(args[0])), "yaml", nil, keyOf(ts, args[1]))
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), raw, 0o600))
}

func keyOf(ts *testscript.TestScript, name string) *sops.Key {
	if strings.HasPrefix(name, "arn:") {
		return sops.AWSKey(name, ts.Getenv("KMS_HOST"))
	}
	if k, ok := pgpKeys.Load(ts.MkAbs(name)); ok {
		return k.(*sops.Key)
	}
	var private string
	for line := range strings.Lines(ts.ReadFile(name)) {
		if strings.HasPrefix(line, "AGE-SECRET-KEY-") {
			private = strings.TrimSpace(line)
		}
	}
	k, err := sops.AgeKeyOf(private)
	ts.Check(err)
	return k
}
