package manifest

import "fmt"

// Reference names a ConfigMap or a Secret in the cluster.
type Reference struct{ Kind, Namespace, Name string }

// String returns "Secret namespace/name".
func (r Reference) String() string { return fmt.Sprintf("%s %s/%s", r.Kind, r.Namespace, r.Name) }
