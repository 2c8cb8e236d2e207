package faults

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"
)

// Request is what a client asked the API server for.
type Request struct {
	// Verb is Kubernetes' verb: get, list, watch, create, update, patch, apply,
	// delete or deletecollection. An apply is a server-side apply, which
	// Kubernetes counts as a patch.
	Verb string
	// Group is the API group, "" for the core.
	Group string
	// Resource is the plural name, "" for what is no resource, such as /version.
	Resource, Subresource string
	Namespace, Name       string
	DryRun                bool
	UserAgent             string
	Path                  string
	At                    time.Time
	// Code is the status that the client got, 0 if it got none or not yet.
	Code int
	// Fault is the name of the rule that struck, or "".
	Fault string
}

// Writes reports whether the request is to change something that is stored.
func (r Request) Writes() bool {
	switch r.Verb {
	case "create", "update", "patch", "apply", "delete", "deletecollection":
		return !r.DryRun && !reviews[r.Resource]
	}
	return false
}

// reviews are the resources that are created to ask a question.
var reviews = map[string]bool{
	"subjectaccessreviews": true, "selfsubjectaccessreviews": true, "localsubjectaccessreviews": true,
	"selfsubjectrulesreviews": true, "tokenreviews": true, "selfsubjectreviews": true,
}

// String is one line: what was asked for, and what the answer was.
func (r Request) String() string {
	what := r.Path
	if r.Resource != "" {
		what = r.Resource
		if r.Group != "" {
			what += "." + r.Group
		}
		what += " " + r.Namespace + "/" + r.Name
		if r.Subresource != "" {
			what += "/" + r.Subresource
		}
	}
	line := fmt.Sprintf("%s %s %s %d", r.At.UTC().Format("15:04:05.000"), r.Verb, what, r.Code)
	if r.DryRun {
		line += " dry-run"
	}
	if r.Fault != "" {
		line += " fault " + r.Fault
	}
	return line
}

// parse reads what is asked for. The name of what is created stands in the body,
// which is read for it and put back.
func parse(req *http.Request) (Request, error) {
	query := req.URL.Query()
	r := Request{Path: req.URL.Path, UserAgent: req.UserAgent(), At: time.Now(), DryRun: query.Has("dryRun")}
	parts := strings.Split(strings.Trim(req.URL.Path, "/"), "/")
	switch {
	case len(parts) > 2 && parts[0] == "api":
		parts = parts[2:]
	case len(parts) > 3 && parts[0] == "apis":
		r.Group, parts = parts[1], parts[3:]
	default:
		r.Verb = strings.ToLower(req.Method)
		return r, nil
	}
	if len(parts) > 2 && parts[0] == "namespaces" && parts[2] != "status" && parts[2] != "finalize" {
		r.Namespace, parts = parts[1], parts[2:]
	}
	r.Resource = parts[0]
	if len(parts) > 1 {
		r.Name = parts[1]
	}
	if len(parts) > 2 {
		r.Subresource = strings.Join(parts[2:], "/")
	}
	watch := query.Get("watch")
	r.Verb = verb(req, r.Name != "", watch == "true" || watch == "1")
	if r.Verb == "create" && r.Name == "" {
		name, err := nameInBody(req)
		if err != nil {
			return r, err
		}
		r.Name = name
	}
	return r, nil
}

func verb(req *http.Request, named, watch bool) string {
	switch req.Method {
	case http.MethodPost:
		return "create"
	case http.MethodPut:
		return "update"
	case http.MethodPatch:
		if strings.HasPrefix(req.Header.Get("Content-Type"), "application/apply-patch") {
			return "apply"
		}
		return "patch"
	case http.MethodDelete:
		if named {
			return "delete"
		}
		return "deletecollection"
	}
	switch {
	case watch:
		return "watch"
	case named:
		return "get"
	}
	return "list"
}

// nameInBody reads the name of an object in JSON, YAML or Kubernetes' protobuf; other
// formats have none that can be read.
func nameInBody(req *http.Request) (string, error) {
	raw, err := io.ReadAll(req.Body)
	if err != nil {
		return "", err
	}
	req.Body = io.NopCloser(bytes.NewReader(raw))
	var object metav1.PartialObjectMetadata
	if packed, ok := bytes.CutPrefix(raw, []byte("k8s\x00")); ok {
		var envelope runtime.Unknown
		// An object's metadata is its first field, whatever its kind.
		if envelope.Unmarshal(packed) != nil || object.Unmarshal(envelope.Raw) != nil {
			return "", nil
		}
	} else if yaml.Unmarshal(raw, &object) != nil {
		return "", nil
	}
	if object.Name == "" {
		return object.GenerateName, nil
	}
	return object.Name, nil
}
