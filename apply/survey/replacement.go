package survey

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xetys/tether/apply/apierror"
	"github.com/xetys/tether/apply/plan"
	"github.com/xetys/tether/apply/quota"
	"github.com/xetys/tether/render/manifest"
)

// probeSpace is a namespace that always exists: what is invalid there is invalid
// anywhere.
const probeSpace = "default"

// probe checks the content of an object whose namespace does not exist yet by a dry-run
// apply, the verb that will write it, in namespace "default". All refusals that are not
// about its content (a quota, a policy, a permission) are about that namespace and say
// nothing.
func (v *Surveyor) probe(ctx context.Context, u *unstructured.Unstructured, provisions plan.Provisions, why string) (plan.Observation, error) {
	if unserved := provisions.Unserved(u.GroupVersionKind()); unserved != "" {
		return plan.Observation{Err: errors.New(unserved)}, nil
	}
	probe := u.DeepCopy()
	probe.SetNamespace(probeSpace)
	if v.nameTaken(ctx, probe, provisions) {
		probe.SetName(otherName(u.GetName()))
	}
	err := asIf(v.tryNew(ctx, probe), probe, u)
	switch {
	case err == nil:
		return plan.Observation{Deferred: why, Valid: true}, nil
	case apierror.KindMissing(err):
		if comes := provisions.PendingKind(u.GroupVersionKind()); comes != "" {
			return plan.Observation{Deferred: comes}, nil
		}
		return plan.Observation{Err: err}, nil
	case apierror.AboutContent(err):
		changes, err2 := v.redefined(ctx, u, provisions)
		if changes || err2 != nil {
			return plan.Observation{Deferred: redefinedText}, err2
		}
		return plan.Observation{Err: err}, nil
	case apierror.Transient(err) && !apierror.WebhookDown(err):
		return plan.Observation{}, err
	}
	return plan.Observation{Deferred: why}, nil
}

// nameTaken reports whether an object of the probe's name is in the probe's namespace: a
// dry-run would be of a change of that. Who may not look takes it that there is none.
func (v *Surveyor) nameTaken(ctx context.Context, probe *unstructured.Unstructured, provisions plan.Provisions) bool {
	if provisions.Names == nil {
		live, err := v.client.Read(ctx, probe)
		return err == nil && live != nil
	}
	taken, err := v.listed(ctx, probe, provisions)
	return err == nil && taken
}

// tryNew asks what the API server says of an object that is not there.
func (v *Surveyor) tryNew(ctx context.Context, u *unstructured.Unstructured) error {
	_, err := v.client.Send(ctx, u, client.DryRunAll)
	return err
}

// Replacement checks by a dry-run whether an object could be created after the live one of its
// name is deleted, so that nothing is deleted for an object that validation, admission or a
// quota would refuse. The dry-run uses another name, beside the live object, without the
// addresses and ports that only that one can have. refusal is the API server's refusal, nil if
// it accepts the object; err means that it could not be asked.
func (v *Surveyor) Replacement(ctx context.Context, u, live *unstructured.Unstructured, provisions plan.Provisions) (refusal, err error) {
	probe := u.DeepCopy()
	probe.SetName(otherName(u.GetName()))
	withoutUnique(probe, live)
	answer := asIf(v.tryNew(ctx, probe), probe, u)
	if answer != nil && apierror.AboutNameOnly(answer) && u.GetNamespace() != "" {
		probe.SetName(u.GetName())
		probe.SetNamespace(probeSpace)
		answer = asIf(v.tryNew(ctx, probe), probe, u)
	}
	switch {
	case answer == nil, provisions.Deferral(u, answer) != "":
		return nil, nil
	case apierror.Transient(answer):
		return nil, answer
	}
	if q := quota.ExcessOf(answer); q != nil && q.Fits(quota.FreedBy(live, q.Requested), nil) {
		return nil, nil
	}
	return answer, nil
}

// nameTail is how much of a name is replaced: the length stays, since kinds have bounds
// of their own, and so does the beginning, by which policies go.
const nameTail = 5

// otherName returns a name that nothing has, valid wherever name is.
func otherName(name string) string {
	sum := sha256.Sum256([]byte(name))
	tail := hex.EncodeToString(sum[:])[:nameTail]
	if len(name) <= nameTail {
		return name + "-" + tail
	}
	return name[:len(name)-nameTail] + tail
}

// withoutUnique takes out of an object what only one can have, and its live one has: a
// Service's addresses and ports.
func withoutUnique(u, live *unstructured.Unstructured) {
	if u.GetKind() != "Service" || u.GetAPIVersion() != "v1" {
		return
	}
	spec := manifest.AsMap(u.Object["spec"])
	if ip, _, _ := unstructured.NestedString(live.Object, "spec", "clusterIP"); ip != "None" && spec["clusterIP"] == ip {
		delete(spec, "clusterIP")
		delete(spec, "clusterIPs")
	}
	held := quota.NodePorts(live)
	if port, _, _ := unstructured.NestedInt64(live.Object, "spec", "healthCheckNodePort"); port != 0 && spec["healthCheckNodePort"] == port {
		delete(spec, "healthCheckNodePort")
	}
	ports, _ := spec["ports"].([]any)
	for _, p := range ports {
		port := manifest.AsMap(p)
		if n, ok := port["nodePort"].(int64); ok && held[n] {
			delete(port, "nodePort")
		}
	}
}

// probeError is the API server's answer about a probe, told as being about the object
// that it stands for.
type probeError struct {
	error
	text string
}

// Error returns the answer with the object's own name and namespace.
func (e *probeError) Error() string { return e.text }

// Unwrap returns the answer as it was.
func (e *probeError) Unwrap() error { return e.error }

func asIf(err error, probe, u *unstructured.Unstructured) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	if probe.GetNamespace() != u.GetNamespace() {
		text = strings.ReplaceAll(text, probe.GetNamespace()+"/"+probe.GetName(), u.GetNamespace()+"/"+u.GetName())
	}
	if probe.GetName() != u.GetName() {
		text = strings.ReplaceAll(text, probe.GetName(), u.GetName())
	}
	return &probeError{err, text}
}
