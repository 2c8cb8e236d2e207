// Package ownership says by which labels, annotations and field managers an object is
// known to be the agent's, Helm's, another tool's or a person's.
//
// It is pure: it reads objects and does not know plans, releases or the cluster.
package ownership

// FieldManager is the name under which every object is applied.
const FieldManager = "tether"

// Labels and annotations that tie an object to its release. The second and third
// are Helm's own, so that "helm upgrade" takes over what Tether leaves.
const (
	Group            = "tether.stytex.cloud"
	LabelEnvironment = Group + "/environment"
	AnnotRecreate    = Group + "/recreate"

	LabelManagedBy    = "app.kubernetes.io/managed-by"
	AnnotRelease      = "meta.helm.sh/release-name"
	AnnotReleaseSpace = "meta.helm.sh/release-namespace"
	AnnotKeep         = "helm.sh/resource-policy"
)

// AnnotBrings names, on any object, the kinds that its program defines once it runs:
// "Widget.example.com, Gadget.example.com". Objects of them are deferred until then.
const AnnotBrings = Group + "/brings"

// AnnotHook is Helm's: an object with it is a hook's.
const AnnotHook = "helm.sh/hook"
