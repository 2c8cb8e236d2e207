package render

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/xetys/tether/render/worker"
)

// RenderError says that a release's templates can't be rendered: its inputs are
// at fault.
type RenderError struct {
	Release string
	at      string // where it is listed, if the error does not say what is at fault
	err     error

	file  string // where it is listed
	line  int
	chart string // its chart's folder in the repository; empty if it has none
}

// Error names the release, and what Helm says of template and line.
func (e *RenderError) Error() string {
	return fmt.Sprintf("%srelease %s: %s", e.at, e.Release, strings.Join(strings.Fields(e.err.Error()), " "))
}

// Unwrap returns Helm's error.
func (e *RenderError) Unwrap() error { return e.err }

// renderError tells what is wrong with the release from what keeps it from being
// rendered at all.
func (p *Prepared) renderError(err error) error {
	if !isFault(err) {
		return fmt.Errorf("release %s: %w", p.spec.Name, err)
	}
	if ExceedsLimits(err) {
		return p.broken(fmt.Sprintf("%s:%d: ", p.spec.File, p.spec.Line), p.Hide(err))
	}
	return p.broken("", p.hideFault(err))
}

// broken says what is wrong with the release, of which err tells no secret.
func (p *Prepared) broken(at string, err error) *RenderError {
	e := &RenderError{Release: p.spec.Name, at: at, err: err, file: p.spec.File, line: p.spec.Line}
	if p.spec.Remote == nil && path.Ext(p.spec.Chart) != ".tgz" {
		e.chart = p.spec.Chart
	}
	return e
}

// isFault reports whether an error is about what the repository holds.
func isFault(err error) bool {
	var helm *worker.HelmError
	return errors.As(err, &helm) || ExceedsLimits(err)
}

// ExceedsLimits reports whether a release is refused since it takes too long or too much.
// Others of the same commit may do so too.
func ExceedsLimits(err error) bool {
	var exceeded *worker.Exceeded
	return errors.As(err, &exceeded)
}
