package plan

import (
	"fmt"
	"maps"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/xetys/tether/apply/apierror"
	"github.com/xetys/tether/render/manifest"
)

// WithWebhooks adds the admission webhooks of objects to the provisions: a webhook that does
// not answer must not prevent a change of its own release, which may repair it.
func (c Provisions) WithWebhooks(objects ...manifest.Object) Provisions {
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

func (c *Provisions) addWebhooks(configuration *unstructured.Unstructured) {
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

// PendingWebhook says which webhook of the same commit does not answer yet, so that an object
// can't be dry-run; empty if err is another error.
func (c Provisions) PendingWebhook(err error) string {
	if name := apierror.WebhookOf(err); c.webhooks[name] {
		return fmt.Sprintf("the webhook %s, which comes with this commit, does not answer yet: %v", name, err)
	}
	return ""
}
