package render

import (
	"context"

	"github.com/xetys/tether/render/manifest"
)

// Reference names a ConfigMap or a Secret in the cluster.
type Reference = manifest.Reference

// References reads what an environment refers to in the cluster. It is safe for
// concurrent use. One that does not exist is an error that wraps fs.ErrNotExist.
type References interface {
	Read(ctx context.Context, ref Reference) (map[string][]byte, error)
}
