package git

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
)

// address is where a repository lies.
type address struct {
	url    string // in the form that go-git takes
	scheme string // https, http, ssh or file
}

var errURL = errors.New("the repository's URL can't be read; use https://…, ssh://…, file://… or a path")

var scpForm = regexp.MustCompile(`^[\w.-]+@[\w.-]+:`)

// parseAddress reads a repository's URL.
func parseAddress(text string) (address, error) {
	u, err := url.Parse(text)
	switch {
	case text == "":
		return address{}, errors.New("the repository's URL is empty")
	case scpForm.MatchString(text):
		return address{text, "ssh"}, nil
	case err != nil:
		return address{}, errURL
	case u.User != nil && u.Scheme != "ssh":
		return address{}, errors.New("the repository's URL holds credentials: give them by file instead")
	case u.Scheme == "ssh", u.Scheme == "https", u.Scheme == "http":
		return address{text, u.Scheme}, nil
	case u.Scheme == "" || u.Scheme == "file":
		path, err := filepath.Abs(strings.TrimPrefix(text, "file://"))
		return address{path, "file"}, err
	}
	return address{}, fmt.Errorf("the repository's URL has scheme %q; use https, ssh or file", u.Scheme)
}
