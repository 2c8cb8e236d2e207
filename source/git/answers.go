package git

import (
	"errors"
	"net"
	"strings"
	"time"

	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"

	"github.com/xetys/tether/source/printable"
)

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// clientError keeps what a server had a hand in from being endless, or more than text.
func clientError(err error) error {
	if text := err.Error(); !printable.Is(text) || len(text) > maxTold {
		return errors.New(printable.Line(text, maxTold))
	}
	return err
}

// answered says what a web server answered, if that is what is wrong.
func answered(err error) string {
	var answer *githttp.Err
	if errors.As(err, &answer) {
		return "the server answered " + printable.Line(answer.Response.Status, maxAnswer)
	}
	return brief(err)
}

// maxAnswer bounds what is told of a server's answer, which may be a page, and maxTold an
// error that may quote one.
const (
	maxAnswer = 200
	maxTold   = 1000
)

// brief puts an error that a server may have had a hand in on one line: without its
// page, if it sent one.
func brief(err error) string {
	text, _, _ := strings.Cut(err.Error(), "<")
	return strings.TrimSuffix(printable.Line(strings.TrimRight(text, " \n"), maxAnswer), ":")
}

var errSHA256 = errors.New("it is a SHA-256 repository, which is not supported: use one with SHA-1, git's default")

// dialTimeout bounds the connection to an ssh server; go-git has none.
const dialTimeout = 30 * time.Second
