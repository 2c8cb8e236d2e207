package observed

// Key identifies a release in the cluster, as in Helm.
type Key struct{ Namespace, Name string }

func (k Key) String() string { return k.Namespace + "/" + k.Name }
