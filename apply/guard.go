package apply

import (
	"context"
	"fmt"
	"maps"
	"regexp"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/xetys/tether/render/manifest"
)

// webhookDown recognises an admission webhook that could not be reached: a 500
// that is about the webhook's server, not about the object.
func webhookDown(err error) bool { return webhookOf(err) != "" }

// WebhookDown reports whether err, or what it wraps, says that an admission webhook
// could not be reached: that is about the objects that it guards, not about the API
// server.
func WebhookDown(err error) bool { return webhookDown(err) }

var callFailed = regexp.MustCompile(`failed calling webhook "([^"]+)"`)

// webhookOf names the webhook that could not be reached.
func webhookOf(err error) string {
	if !apierrors.IsInternalError(err) {
		return ""
	}
	if m := callFailed.FindStringSubmatch(err.Error()); m != nil {
		return m[1]
	}
	return ""
}

// Guarded adds to what comes the admission webhooks of objects: one that does not
// answer must not keep its own release from being changed, which may be what has
// it answer again.
func (c Coming) Guarded(objects ...manifest.Object) Coming {
	c.webhooks = maps.Clone(c.webhooks)
	for _, o := range objects {
		switch o.ID().GroupKind() {
		case schema.GroupKind{Group: "admissionregistration.k8s.io", Kind: "ValidatingWebhookConfiguration"},
			schema.GroupKind{Group: "admissionregistration.k8s.io", Kind: "MutatingWebhookConfiguration"}:
			c.addWebhooks(o.Unstructured)
		}
	}
	return c
}

func (c *Coming) addWebhooks(configuration *unstructured.Unstructured) {
	webhooks, _, _ := unstructured.NestedSlice(configuration.Object, "webhooks")
	for _, w := range webhooks {
		m, _ := w.(map[string]any)
		if name, _ := m["name"].(string); name != "" {
			if c.webhooks == nil {
				c.webhooks = map[string]bool{}
			}
			c.webhooks[name] = true
		}
	}
}

// guard says by which webhook of the same commit an object can't be judged yet;
// empty if that is not what err says.
func (c Coming) guard(err error) string {
	if name := webhookOf(err); c.webhooks[name] {
		return fmt.Sprintf("the webhook %s, which comes with this commit, does not answer yet: %v", name, err)
	}
	return ""
}

// unguard deletes the webhook configurations that a plan no longer wants, before
// anything else, if objects wait for a webhook: it may be one of those.
func (c *Cluster) unguard(ctx, waits context.Context, plan Plan) error {
	blocked, gone := false, Plan{}
	for _, ch := range plan.Changes {
		blocked = blocked || ch.guarded
		if ch.Action == Delete && ch.Stage == StageWebhooks {
			gone.Changes = append(gone.Changes, ch)
		}
	}
	if !blocked {
		return nil
	}
	w, done := waitingFor(ctx, waits, nil, nil)
	defer done()
	return c.Prune(w.Context, gone, Bounds{}, nil)
}
