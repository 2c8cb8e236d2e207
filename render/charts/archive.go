package charts

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"helm.sh/helm/v3/pkg/chart/loader"

	"github.com/xetys/tether/render/fetch"
)

// The bounds of what a packed chart unpacks to, with all that is packed in it.
const (
	maxUnpacked = 50 << 20
	maxPackedIn = 5 // charts in charts in charts
)

// unpacked counts what archives unpack to, before Helm unpacks them: its own bounds
// are for each of them, and say nothing of archives in archives.
type unpacked struct {
	files int
	left  int64
}

func newUnpacked() *unpacked { return &unpacked{left: maxUnpacked} }

// unpack returns the files of a packed chart.
func unpack(raw []byte) ([]*loader.BufferedFile, error) {
	if err := newUnpacked().check(raw, "", 0); err != nil {
		return nil, err
	}
	return loader.LoadArchiveFiles(bytes.NewReader(raw))
}

// packedIn reports whether a file of a chart is a packed chart that Helm unpacks.
func packedIn(name string) bool {
	return path.Ext(name) == ".tgz" && path.Base(path.Dir(name)) == "charts"
}

// check reads an archive to its end and keeps nothing. where says in which archive
// it lies.
func (u *unpacked) check(raw []byte, where string, depth int) error {
	if len(raw) > fetch.MaxPacked {
		return fmt.Errorf("%sit has more than %d MiB packed: leave out what is no part of the chart, by .helmignore", where, fetch.MaxPacked>>20)
	}
	if depth > maxPackedIn {
		return fmt.Errorf("%sit holds packed charts in packed charts more than %d times: put one into the other unpacked", where, maxPackedIn)
	}
	zipped, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		return fmt.Errorf("%sit is no packed chart: pack it with helm package", where)
	}
	files := tar.NewReader(&bounded{zipped, u})
	seen := map[string]bool{}
	for {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = u.file(h, files, seen, where, depth)
		}
		if err != nil && !errors.Is(err, errUnpacked) && !errors.As(err, new(*archiveError)) {
			err = &archiveError{fmt.Sprintf("%sit is damaged: %v; pack it anew with helm package", where, err)}
		}
		if err != nil {
			return err
		}
	}
}

// archiveError says what is wrong with an archive.
type archiveError struct{ text string }

// Error says where, and how to mend it.
func (e *archiveError) Error() string { return e.text }

var errUnpacked = &archiveError{fmt.Sprintf("it unpacks to more than %d MiB, or to more than %d files: leave out what is no part of the chart, by .helmignore", maxUnpacked>>20, maxFiles)}

func (u *unpacked) file(h *tar.Header, content io.Reader, seen map[string]bool, where string, depth int) error {
	refuse := func(format string, args ...any) error {
		return &archiveError{where + fmt.Sprintf(format, args...)}
	}
	switch h.Typeflag {
	case tar.TypeDir, tar.TypeXGlobalHeader, tar.TypeXHeader:
		return nil
	case tar.TypeSymlink, tar.TypeLink:
		return refuse("%s is a link: pack a copy of the file in its place", h.Name)
	case tar.TypeReg:
	default:
		return refuse("%s is no regular file: pack the chart anew with helm package", h.Name)
	}
	if u.files++; u.files > maxFiles {
		return errUnpacked
	}
	name := strings.ReplaceAll(h.Name, `\`, "/")
	parts := strings.Split(name, "/")
	for _, p := range parts {
		if p == ".." {
			return refuse("%s leaves the chart's folder: pack the chart anew with helm package", h.Name)
		}
	}
	if path.IsAbs(name) {
		return refuse("%s has an absolute path: pack the chart anew with helm package", h.Name)
	}
	if name = path.Join(parts[1:]...); seen[name] {
		return refuse("it holds %s twice: pack the chart anew with helm package", h.Name)
	}
	seen[name] = true
	if h.Size > loader.MaxDecompressedFileSize {
		return refuse("%s has more than %d MiB, which Helm does not take: split it", h.Name, loader.MaxDecompressedFileSize>>20)
	}
	if !packedIn(name) {
		return nil // the rest is read, and counted, on the way to the next one
	}
	inner, err := io.ReadAll(content)
	if err != nil {
		return err
	}
	return u.check(inner, where+"in "+h.Name+": ", depth+1)
}

// bounded is what is left of the bytes that may be unpacked.
type bounded struct {
	from io.Reader
	all  *unpacked
}

// Read reads what is left, and fails at the first byte after it.
func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.from.Read(p)
	if b.all.left -= int64(n); b.all.left < 0 {
		return 0, errUnpacked
	}
	return n, err
}
