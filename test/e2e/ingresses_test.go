package e2e_test

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"

	"github.com/rogpeppe/go-internal/testscript"
)

// ingress is what an ingress controller's webhook looks at.
type ingress struct {
	Metadata struct{ Name string }
	Spec     struct{ Rules []struct{ Host string } }
}

// ingresses lets only one Ingress of the script's namespace have a host, as the webhook of an
// ingress controller does: ingresses
func ingresses(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: ingresses")
	}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var review struct {
			APIVersion string `json:"apiVersion"`
			Kind       string `json:"kind"`
			Request    struct {
				UID    string `json:"uid"`
				Object ingress
			} `json:"request"`
		}
		if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		answer := map[string]any{"uid": review.Request.UID, "allowed": true}
		if why := hostTaken(ts, review.Request.Object); why != "" {
			answer["allowed"], answer["status"] = false, map[string]any{"message": why}
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"apiVersion": review.APIVersion, "kind": review.Kind, "response": answer}) // the API server refuses what does not arrive
	}))
	ts.Defer(server.Close)
	configuration := fmt.Sprintf(`{"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration", "metadata": {"name": %[1]q},
		"webhooks": [{"name": "validate.ingress.example.com", "clientConfig": {"url": %[2]q, "caBundle": %[3]s}, "sideEffects": "None", "admissionReviewVersions": ["v1"],
		"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": %[1]q}},
		"rules": [{"apiGroups": ["networking.k8s.io"], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["ingresses"]}]}]}`,
		ts.Getenv("NS"), server.URL, authority(ts, server))
	file := ts.MkAbs("ingresses.json")
	ts.Check(os.WriteFile(file, []byte(configuration), 0o600))
	if out, err := output(ts, "kubectl", "apply", "--filename", file); err != nil {
		ts.Fatalf("ingresses: %s", out)
	}
	ts.Defer(func() {
		if out, err := output(ts, "kubectl", "delete", "--filename", file); err != nil {
			ts.Logf("ingresses: %s", out)
		}
	})
}

// authority is a server's certificate as a JSON string of base64.
func authority(ts *testscript.TestScript, server *httptest.Server) string {
	bundle, err := json.Marshal(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	ts.Check(err)
	return string(bundle)
}

// hostTaken says which other Ingress has a host; it is empty if none has.
func hostTaken(ts *testscript.TestScript, wanted ingress) string {
	out, err := typed(ts, "kubectl", "get", "ingresses", "--namespace", ts.Getenv("NS"), "--output", "json").Output()
	if err != nil {
		return "the ingresses can't be listed: " + err.Error()
	}
	var have struct{ Items []ingress }
	if err := json.Unmarshal(out, &have); err != nil {
		return err.Error()
	}
	for _, other := range have.Items {
		for _, rule := range other.Spec.Rules {
			for _, mine := range wanted.Spec.Rules {
				if other.Metadata.Name != wanted.Metadata.Name && rule.Host == mine.Host {
					return fmt.Sprintf("host %q and path %q is already defined in ingress %s/%s", mine.Host, "/", ts.Getenv("NS"), other.Metadata.Name)
				}
			}
		}
	}
	return ""
}
