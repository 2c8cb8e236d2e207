package render

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/xetys/tether/render/worker"
)

// run renders, unless that was done with the very same inputs, and nothing of the
// cluster was looked up.
func (r *Renderer) run(ctx context.Context, p *Prepared, opts Options, caps *worker.Capabilities) (*worker.Rendered, error) {
	key := outputKey(opts, caps)
	r.mu.Lock()
	known := r.outputs.get(p.source(), key)
	r.mu.Unlock()
	if known != nil && !opts.Preview {
		return known, nil
	}
	raw, err := p.inputs(opts)
	if err != nil {
		return nil, err
	}
	seen := lookups{hiding: p.hiding}
	out, err := r.pool.Render(worker.For(ctx, p.environment), p.chart.Sent(), raw, caps, seen.note(answers(ctx, opts.Lookup)))
	if err != nil && seen.trouble != nil {
		return nil, fmt.Errorf("look up: %w", seen.trouble) // it says nothing about the templates
	}
	if err == nil && !seen.any && !opts.Preview {
		r.mu.Lock()
		r.outputs.put(p.source(), key, out)
		r.mu.Unlock()
	}
	return out, err
}

// lookups is what came of the lookups of a render.
type lookups struct {
	any     bool
	trouble error // the first that another try may not have
	hiding  *hiding
}

// note takes note of what is looked up.
func (l *lookups) note(answer worker.Lookup) worker.Lookup {
	if answer == nil {
		return nil
	}
	return func(q worker.Question) ([]byte, error) {
		raw, err := answer(q)
		l.any = true
		l.hiding.note(q, raw)
		if l.trouble == nil && passing(err) {
			l.trouble = err
		}
		return raw, err
	}
}

// passing reports whether an error is the network's, or of a server that has too much
// to do.
func passing(err error) bool {
	var transport *url.Error
	return errors.As(err, &transport) || apierrors.IsTooManyRequests(err) || apierrors.IsServerTimeout(err) || apierrors.IsTimeout(err) ||
		apierrors.IsServiceUnavailable(err) || apierrors.IsInternalError(err)
}

// outputKey names what a render depends on besides the inputs.
func outputKey(opts Options, caps *worker.Capabilities) string {
	sum := sha256.Sum256([]byte(strings.Join(caps.APIVersions, "\n")))
	return fmt.Sprintf("%d %t %t %s %s", opts.Revision, opts.IsUpgrade, opts.Installs, caps.KubeVersion, hex.EncodeToString(sum[:]))
}
