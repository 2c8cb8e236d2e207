package record

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"strconv"

	"helm.sh/helm/v3/pkg/release"
)

// errUnsealed says that a record says of itself that the agent wrote it, and can't prove it.
var errUnsealed = errors.New("record does not bear the agent's seal on what it says is applied: somebody else wrote it, or changed it")

// sealOf proves that who knows the key wrote what a record has applied, and what of. It
// covers what never changes of a record: Helm and the agent conclude it later.
func sealOf(key []byte, about []string, rel *release.Release) string {
	mac := hmac.New(sha256.New, key)
	text := func(s string) { // its length first, so that no two texts are taken for others
		_ = binary.Write(mac, binary.BigEndian, uint64(len(s))) // to memory
		_, _ = io.WriteString(mac, s)
	}
	for _, s := range append(about, rel.Manifest) {
		text(s)
	}
	for _, h := range rel.Hooks {
		text(h.Manifest)
		text(strconv.Itoa(h.Weight))
		for _, e := range h.Events {
			text(string(e))
		}
		text("")
		for _, p := range h.DeletePolicies {
			text(string(p))
		}
		text("")
	}
	return hex.EncodeToString(mac.Sum(nil)[:20])
}

// seals are what a record's seal is made and judged with.
type seals struct {
	environment string
	key         []byte
}

// sealed is what a record's seal says of it.
type sealed struct {
	seals   seals
	seal    string // as it is stored
	strange bool   // it is of another agent, or nobody's
}
