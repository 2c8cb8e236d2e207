package render

import (
	"context"
	"fmt"
)

// Reference names a ConfigMap or a Secret in the cluster.
type Reference struct{ Kind, Namespace, Name string }

// String returns "Secret namespace/name".
func (r Reference) String() string { return fmt.Sprintf("%s %s/%s", r.Kind, r.Namespace, r.Name) }

// References reads what an environment refers to in the cluster. It is safe for
// concurrent use. One that does not exist is an error that wraps fs.ErrNotExist.
type References interface {
	Read(ctx context.Context, ref Reference) (map[string][]byte, error)
}
