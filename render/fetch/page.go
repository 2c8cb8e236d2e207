package fetch

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"io"
	"mime"
	"net/http"

	"github.com/xetys/tether/source/printable"
)

// pageError says that a server answered as for a person in front of a browser: with a
// login page, or a portal's, or with nothing.
type pageError struct{ why string }

// Error says what it answered with.
func (e *pageError) Error() string { return e.why }

// maxKind bounds a content type that is told.
const maxKind = 60

// asFile refuses an answer to a request for a file which is a page: neither an index, nor a
// manifest, nor what is packed begins with <.
func asFile(resp *http.Response) (*http.Response, error) {
	if resp.StatusCode != http.StatusOK || resp.Request == nil || resp.Request.Method != http.MethodGet {
		return resp, nil
	}
	body := bufio.NewReader(resp.Body)
	head, err := body.Peek(512)
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	what := ""
	switch text := bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n"); {
	case len(head) == 0 && err == io.EOF:
		what = "and nothing else"
	case bytes.HasPrefix(text, []byte("<")):
		what = fmt.Sprintf("and a page (%s)", cmp.Or(printable.Line(kind, maxKind), "no content type"))
	}
	if what == "" {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{body, resp.Body}
		return resp, nil
	}
	resp.Body.Close()
	return nil, &pageError{fmt.Sprintf("it answered with 200 OK %s, and not as a registry or chart repository does: check the address; a login or a portal may stand in front of it", what)}
}
