package git

import (
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	xssh "golang.org/x/crypto/ssh"
)

// gitNamespace is what git signs with ssh keys for.
const gitNamespace = "git"

// sshSigner is one line of an allowed_signers file.
type sshSigner struct {
	key           xssh.PublicKey
	namespaces    []string // patterns; all if empty
	after, before time.Time
}

// mayNow returns why the key may not sign commits at a time.
func (s sshSigner) mayNow(when time.Time) error {
	switch {
	case !s.after.IsZero() && when.Before(s.after):
		return fmt.Errorf("is trusted from %s on only", s.after.UTC().Format(time.RFC3339))
	case !s.before.IsZero() && !when.Before(s.before):
		return fmt.Errorf("is trusted until %s only", s.before.UTC().Format(time.RFC3339))
	}
	if len(s.namespaces) == 0 {
		return nil
	}
	allowed := false
	for _, n := range s.namespaces {
		pattern, negated := strings.CutPrefix(n, "!")
		if ok, _ := path.Match(pattern, gitNamespace); ok { // it was checked when it was read
			if negated {
				return errors.New("is not trusted with commits")
			}
			allowed = true
		}
	}
	if !allowed {
		return errors.New("is not trusted with commits")
	}
	return nil
}

// readAllowedSigners reads an allowed_signers file, as ssh-keygen(1) describes
// it. Who a key belongs to is for people: any of the keys may sign.
func readAllowedSigners(text string) ([]sshSigner, error) {
	var out []sshSigner
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		s, err := readAllowedSigner(line)
		if err != nil {
			return nil, fmt.Errorf("line %d of the allowed_signers file: %w", n, err)
		}
		out = append(out, s)
	}
	return out, nil
}

func readAllowedSigner(line string) (sshSigner, error) {
	var s sshSigner
	rest := withoutPrincipals(line)
	key, _, options, more, err := xssh.ParseAuthorizedKey([]byte(rest))
	if err != nil || len(more) > 0 {
		return s, errors.New("it is not principals, options, kind of key and key")
	}
	s.key = key
	for _, option := range options {
		name, value, _ := strings.Cut(option, "=")
		value = strings.Trim(value, `"`)
		switch strings.ToLower(name) {
		case "cert-authority":
			err = errors.New("certificates are not supported: list the signers' own keys")
		case "namespaces":
			s.namespaces = strings.Split(value, ",")
			for _, n := range s.namespaces {
				_, bad := path.Match(n, "")
				err = errors.Join(err, bad)
			}
		case "valid-after":
			s.after, err = readTime(value)
		case "valid-before":
			s.before, err = readTime(value)
		default:
			err = fmt.Errorf("the option %s is not known", name)
		}
		if err != nil {
			return s, err
		}
	}
	return s, nil
}

// withoutPrincipals cuts the first field off, which may be quoted.
func withoutPrincipals(line string) string {
	if quoted, ok := strings.CutPrefix(line, `"`); ok {
		_, rest, _ := strings.Cut(quoted, `"`)
		return strings.TrimSpace(rest)
	}
	i := strings.IndexAny(line, " \t")
	if i < 0 {
		return ""
	}
	return strings.TrimSpace(line[i:])
}

// readTime reads YYYYMMDD or YYYYMMDDHHMM[SS], in UTC if a Z follows.
func readTime(text string) (time.Time, error) {
	digits, utc := strings.CutSuffix(text, "Z")
	where := time.Local
	if utc {
		where = time.UTC
	}
	for _, layout := range []string{"20060102", "200601021504", "20060102150405"} {
		if len(layout) == len(digits) {
			return time.ParseInLocation(layout, digits, where)
		}
	}
	return time.Time{}, fmt.Errorf("the time %q is not YYYYMMDD or YYYYMMDDHHMM[SS], with a Z for UTC", text)
}
