package git

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"

	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/plumbing/transport/ssh"
	xssh "golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// Auth are the credentials of a remote repository.
type Auth struct {
	// Username and Password are for https; a token is a password.
	Username, Password string
	// App, if it has an ID, is a GitHub App whose tokens take a password's place.
	App App
	// SSHKey is a private key in PEM, KnownHosts the text of a known_hosts file.
	SSHKey, KnownHosts []byte
	// CA, if not empty, are the certificates (PEM) that an https server's is
	// checked against, beside the system's.
	CA []byte
}

// newSSH returns how to log in at an ssh server, and to know it.
func newSSH(url string, a Auth) (ssh.AuthMethod, error) {
	if len(a.SSHKey) == 0 || len(a.KnownHosts) == 0 {
		return nil, errors.New("a repository over ssh needs a private key and a known_hosts file")
	}
	at, err := transport.NewEndpoint(url)
	if err != nil {
		return nil, errors.New("the repository's URL can't be read; use ssh://git@host/path or git@host:path")
	}
	keys, err := ssh.NewPublicKeys(cmp.Or(at.User, "git"), a.SSHKey, "")
	if err != nil {
		return nil, errors.New("the ssh key can't be read: it must be a private key in PEM, without a passphrase")
	}
	check, algorithms, err := hostKeys(a.KnownHosts, at)
	if err != nil {
		return nil, err
	}
	keys.HostKeyCallback = check
	return &sshAuth{PublicKeys: keys, algorithms: algorithms}, nil
}

// sshAuth offers the server only kinds of host key that known_hosts has: with
// any other the check would fail for a host that is known.
type sshAuth struct {
	*ssh.PublicKeys
	algorithms []string
}

// ClientConfig implements go-git's ssh.AuthMethod.
func (a *sshAuth) ClientConfig() (*xssh.ClientConfig, error) {
	c, err := a.PublicKeys.ClientConfig()
	if err == nil {
		c.HostKeyAlgorithms, c.Timeout = a.algorithms, dialTimeout
	}
	return c, err
}

// hostKeys returns the check of a server's key, and which kinds of key
// known_hosts has for it.
func hostKeys(text []byte, at *transport.Endpoint) (xssh.HostKeyCallback, []string, error) {
	file, err := os.CreateTemp("", "known_hosts-")
	if err != nil {
		return nil, nil, err
	}
	defer os.Remove(file.Name())
	defer file.Close()
	if _, err := file.Write(text); err != nil {
		return nil, nil, err
	}
	check, err := knownhosts.New(file.Name())
	if err != nil {
		return nil, nil, errors.New("the known_hosts file can't be read: each line is a host, a kind of key and the key, as ssh-keyscan prints it")
	}
	address := net.JoinHostPort(at.Host, strconv.Itoa(cmp.Or(at.Port, 22)))
	var known *knownhosts.KeyError
	if err := check(address, &net.TCPAddr{}, nobody{}); !errors.As(err, &known) || len(known.Want) == 0 {
		return nil, nil, fmt.Errorf("the known_hosts file has no key of %s: add what ssh-keyscan prints for it, once you have checked it", address)
	}
	var algorithms []string
	for _, k := range known.Want {
		if k.Key.Type() == xssh.KeyAlgoRSA {
			algorithms = append(algorithms, xssh.KeyAlgoRSASHA512, xssh.KeyAlgoRSASHA256)
		}
		algorithms = append(algorithms, k.Key.Type())
	}
	return check, algorithms, nil
}

// nobody is a key that no server has: asking for it, one is told all that are
// known.
type nobody struct{}

func (nobody) Type() string                         { return "nobody" }
func (nobody) Marshal() []byte                      { return []byte("nobody") }
func (nobody) Verify([]byte, *xssh.Signature) error { return errors.New("nobody signs nothing") }
