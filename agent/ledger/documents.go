package ledger

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/xetys/tether/apply"
	"github.com/xetys/tether/apply/kube"
)

// The names of an environment's ConfigMaps. No two of them are equal, whatever the
// environments are called: the prefixes differ.
const (
	ledgerPrefix  = "tether-"
	controlPrefix = "tether.control."
	damagedPrefix = "tether.damaged."
	unreadPrefix  = "tether.unread."
	noticesPrefix = "tether.notices."

	promotionsPrefix = "tether.promotions."
)

// Name is the name of an environment's ledger, and of its Lease.
func Name(environment string) string { return ledgerPrefix + environment }

// Document is where an environment's ledger is stored.
func Document(environment, namespace string) kube.Document {
	return kube.Document{Namespace: namespace, Name: Name(environment), Key: "ledger.json"}
}

// ControlDocument is where people ask for something.
func ControlDocument(environment, namespace string) kube.Document {
	return kube.Document{Namespace: namespace, Name: controlPrefix + environment, Key: "control.json", Anybody: true}
}

// DamagedDocument is where a ledger that can't be read is put aside.
func DamagedDocument(environment, namespace string) kube.Document {
	return kube.Document{Namespace: namespace, Name: damagedPrefix + environment, Key: "ledger.json"}
}

// UnreadControlDocument is where a control that can't be read is put aside.
func UnreadControlDocument(environment, namespace string) kube.Document {
	return kube.Document{Namespace: namespace, Name: unreadPrefix + environment, Key: "control.json", Anybody: true}
}

// NoticesDocument is where it is kept what people were notified of.
func NoticesDocument(environment, namespace string) kube.Document {
	return kube.Document{Namespace: namespace, Name: noticesPrefix + environment, Key: "notices.json"}
}

// PromotionsDocument is where it is kept what was promoted to an environment.
func PromotionsDocument(environment, namespace string) kube.Document {
	return kube.Document{Namespace: namespace, Name: promotionsPrefix + environment, Key: "promotions.json"}
}

// formerControl is the name that a control had before names were told apart: it is
// also the name of another environment's ledger.
func formerControl(environment string) string { return ledgerPrefix + environment + "-control" }

// ErrNoLedger says that no agent ever kept the environment in this cluster.
type ErrNoLedger struct {
	Environment, Namespace string
	// Known are the environments that have a ledger there; nil if they can't be listed.
	Known []string
}

// Error says where the ledger was looked for, and what there is.
func (e *ErrNoLedger) Error() string {
	text := fmt.Sprintf("environment %s has no ledger in namespace %s: ", e.Environment, e.Namespace)
	if len(e.Known) > 0 {
		return text + "the agent there keeps " + instead(e.Environment, e.Known)
	}
	return text + "no agent kept it yet; if the agent keeps its ledgers elsewhere, give --namespace"
}

// Read reads an environment's ledger, with the agent up or down.
func Read(ctx context.Context, c *apply.Cluster, namespace string) (*Ledger, error) {
	doc, err := c.ReadDocument(ctx, Document(c.Environment, namespace))
	if err != nil {
		return nil, err
	}
	if doc.Version == "" {
		return nil, missing(ctx, c, namespace)
	}
	l, err := Parse(doc.Text)
	if err != nil {
		return nil, damaged(c.Environment, err)
	}
	return l, nil
}

func damaged(environment string, err error) error {
	return fmt.Errorf("%w: it is damaged; the agent of environment %s puts it aside when it looks, and begins a new one", err, environment)
}

// missing says which environments there are in place of the one that is not.
func missing(ctx context.Context, c *apply.Cluster, namespace string) error {
	e := &ErrNoLedger{Environment: c.Environment, Namespace: namespace}
	all, err := List(ctx, c, namespace)
	if err != nil {
		return e // the list is a help, and may be forbidden
	}
	for _, l := range all {
		e.Known = append(e.Known, l.Environment)
	}
	return e
}

// List reads the ledgers of all environments in a namespace, by name. Of one that can't be read
// its damage is told, which must not hide the others.
func List(ctx context.Context, c *apply.Cluster, namespace string) ([]*Ledger, error) {
	docs, err := c.ListDocuments(ctx, namespace, Document("", namespace).Key)
	if err != nil {
		return nil, err
	}
	var out []*Ledger
	for _, d := range docs {
		environment, ok := strings.CutPrefix(d.Name, ledgerPrefix)
		if !ok {
			continue // one that was put aside
		}
		l, err := Parse(d.Text)
		if err != nil {
			l = &Ledger{Damage: Shorten(damaged(environment, err).Error())}
		}
		l.Environment = environment
		out = append(out, l)
	}
	return out, nil
}

// ReadControl reads what was asked of an environment's agent.
func ReadControl(ctx context.Context, c *apply.Cluster, namespace string) (Control, error) {
	return ReadControlOf(ctx, c, c.Environment, namespace)
}

// ReadControlOf reads what was asked of the agent of any environment.
func ReadControlOf(ctx context.Context, c *apply.Cluster, environment, namespace string) (Control, error) {
	d, err := readControl(ctx, c, environment, namespace)
	if err != nil {
		return Control{}, err
	}
	return ParseControl(environment, d.Text), nil
}

// readControl falls back on the former name until the first write under the new one.
func readControl(ctx context.Context, c *apply.Cluster, environment, namespace string) (kube.Document, error) {
	d, err := c.ReadDocument(ctx, ControlDocument(environment, namespace))
	if err != nil || d.Version != "" {
		return d, err
	}
	former := d
	former.Name = formerControl(environment)
	if former, err = c.ReadDocument(ctx, former); err != nil {
		return d, err
	}
	d.Text = former.Text
	return d, nil
}

// Parse reads a stored ledger; no text is an empty one.
func Parse(text string) (*Ledger, error) {
	l := &Ledger{}
	if text == "" {
		return l, nil
	}
	if err := json.Unmarshal([]byte(text), l); err != nil {
		return nil, fmt.Errorf("read the ledger: %w", err)
	}
	return l, nil
}
