package fetch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/credentials"
)

// Login is how one is known to a host.
type Login struct {
	// From says where it was read, for people.
	From       string
	credential auth.Credential
	ca         []byte
}

// Logins finds the login for a host; nil for none. It is asked only when the host
// is.
type Logins func(ctx context.Context, host string) (*Login, error)

// The keys of Secrets that hold logins: those of Kubernetes' own types, and the
// certificates beside them.
const (
	keyDocker   = ".dockerconfigjson"
	keyUsername = "username"
	keyPassword = "password"
	keyCA       = "ca.crt"
)

// SecretLogin reads a login for a host out of a Secret: a docker config, or a user
// name and a password; and the certificates that the host's is checked against.
func SecretLogin(from, host string, data map[string][]byte) (*Login, error) {
	l := &Login{From: from, ca: data[keyCA]}
	switch {
	case len(data[keyDocker]) > 0:
		store, err := dockerConfig(data[keyDocker])
		if err != nil {
			return nil, fmt.Errorf("%s: key %s %w", from, keyDocker, err)
		}
		if l.credential = lookup(store, host); l.credential == auth.EmptyCredential {
			return nil, fmt.Errorf("%s holds no login for %s", from, host)
		}
	case len(data[keyUsername]) > 0 || len(data[keyPassword]) > 0:
		l.credential = auth.Credential{Username: line(data[keyUsername]), Password: line(data[keyPassword])}
	case len(l.ca) == 0:
		return nil, fmt.Errorf("%s holds none of the keys %s, %s and %s, %s", from, keyDocker, keyUsername, keyPassword, keyCA)
	}
	return l, nil
}

// line drops the end of the line that files tend to have.
func line(raw []byte) string { return strings.TrimRight(string(raw), "\r\n") }

// dockerConfig reads a docker config.json. What is wrong with it is said without
// quoting it.
func dockerConfig(raw []byte) (credentials.Store, error) {
	var helpers struct {
		CredsStore  string            `json:"credsStore"`
		CredHelpers map[string]string `json:"credHelpers"`
	}
	if json.Unmarshal(raw, &helpers) != nil {
		return nil, errors.New("is not JSON: it has to be a docker config.json")
	}
	if helpers.CredsStore != "" || len(helpers.CredHelpers) > 0 {
		return nil, errors.New("asks for a credential helper (credsStore, credHelpers), a program that is not run: put the logins into auths")
	}
	store, err := credentials.NewMemoryStoreFromDockerConfig(raw)
	if err != nil {
		return nil, errors.New("has a login that can't be read: auth is the base64 of USER:PASSWORD")
	}
	return store, nil
}

// lookup finds a host's login as docker does.
func lookup(store credentials.Store, host string) auth.Credential {
	if host == "docker.io" || host == "registry-1.docker.io" {
		host = "index.docker.io"
	}
	c, _ := store.Get(context.Background(), host) // it is in memory
	return c
}
