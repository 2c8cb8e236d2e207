package kube

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync/atomic"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/xetys/tether/apply/realm"
)

// boundary keeps writes of objects from being sent to where the environment may not write. It
// stands in front of the connection, as the fence does, so that no writer can be forgotten:
// plans and hooks ask the realm before, to say it of the template.
type boundary struct {
	bounds atomic.Pointer[realm.Realm]
	kindOf func(schema.GroupVersionResource) (schema.GroupVersionKind, error)
}

// wrap has writes asked about. A dry-run writes nothing: what is tried in another
// namespace than its own is judged by its own.
func (w *boundary) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		bounds := w.bounds.Load()
		if bounds == nil || r.Method == http.MethodGet || r.Method == http.MethodHead || r.URL.Query().Get("dryRun") == metav1.DryRunAll {
			return next.RoundTrip(r)
		}
		if why := w.why(*bounds, r.URL.Path); why != "" {
			return forbid(r, why)
		}
		return next.RoundTrip(r)
	})
}

// why says what keeps a write from being sent to a path of the API; empty if nothing does.
func (w *boundary) why(bounds realm.Realm, path string) string {
	to, ok := parsePath(path)
	if !ok {
		return "no object of a release has the path " + path
	}
	switch {
	case to.namespace != "":
		return bounds.Namespace(realm.Release{}, to.namespace)
	case to.GroupResource() == schema.GroupResource{Resource: "namespaces"}:
		return bounds.Namespace(realm.Release{}, to.name)
	}
	kind, err := w.kindOf(to.GroupVersionResource)
	if err != nil {
		kind.Kind, kind.Group = to.Resource, to.Group // as good a name as any for what nobody knows
	}
	return bounds.ClusterKind(realm.Release{}, kind.GroupKind())
}

// place is where a request leads to.
type place struct {
	schema.GroupVersionResource
	namespace, name string
}

// parsePath reads where a request leads to: …/api/VERSION/… or …/apis/GROUP/VERSION/… and
// then [namespaces/NAMESPACE/]RESOURCE[/NAME[/SUBRESOURCE]]. A server may lie below a
// prefix.
func parsePath(path string) (place, bool) {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	for i, p := range parts {
		var to place
		switch {
		case p == "api" && len(parts) > i+2:
			to.Version, parts = parts[i+1], parts[i+2:]
		case p == "apis" && len(parts) > i+3:
			to.Group, to.Version, parts = parts[i+1], parts[i+2], parts[i+3:]
		default:
			continue
		}
		if parts[0] == "namespaces" && len(parts) > 2 && !(to.Group == "" && ofNamespace[parts[2]]) {
			to.namespace, parts = parts[1], parts[2:]
		}
		to.Resource = parts[0]
		if len(parts) > 1 {
			to.name = parts[1]
		}
		return to, true
	}
	return place{}, false
}

// ofNamespace are the subresources of a namespace itself.
var ofNamespace = map[string]bool{"status": true, "finalize": true}

// forbid answers a request in the API server's place, as it answers who lacks a permission.
func forbid(r *http.Request, why string) (*http.Response, error) {
	if r.Body != nil {
		_ = r.Body.Close() // nobody reads it
	}
	raw, err := json.Marshal(metav1.Status{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"},
		Status: metav1.StatusFailure, Reason: metav1.StatusReasonForbidden, Code: http.StatusForbidden, Message: why})
	if err != nil {
		return nil, err
	}
	return &http.Response{
		Status: http.StatusText(http.StatusForbidden), StatusCode: http.StatusForbidden, Proto: r.Proto, ProtoMajor: r.ProtoMajor, ProtoMinor: r.ProtoMinor,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(raw)), ContentLength: int64(len(raw)), Request: r,
	}, nil
}
