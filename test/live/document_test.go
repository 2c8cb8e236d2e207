package live_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/xetys/tether/apply/kube"
)

// A document that somebody deleted since it was read is written anew; one that somebody
// changed is not overwritten; one that does not fit is not sent.
func TestADocumentThatCannotBeWrittenAsItWasRead(t *testing.T) {
	w := newWorld(t, "")
	d := kube.Document{Namespace: w.space, Name: "ledger", Key: "ledger.json", Text: "1"}
	first, err := w.cluster.WriteDocument(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	first.Text = "2"
	second, err := w.cluster.WriteDocument(t.Context(), first)
	if err != nil || second.Version == first.Version {
		t.Fatalf("have %+v, %v", second, err)
	}
	if _, err = w.cluster.WriteDocument(t.Context(), first); err == nil {
		t.Error("a newer one was overwritten")
	}
	w.delete(parse(t, "{apiVersion: v1, kind: ConfigMap, metadata: {name: ledger, namespace: "+w.space+"}}"))
	second.Text = "3"
	if second, err = w.cluster.WriteDocument(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	if have, err := w.cluster.ReadDocument(t.Context(), d); err != nil || have.Text != "3" || have.Version != second.Version {
		t.Errorf("have %+v, %v", have, err)
	}
	second.Text = strings.Repeat("a", 1<<20+1)
	var large *kube.DocumentTooLargeError
	if _, err = w.cluster.WriteDocument(t.Context(), second); !errors.As(err, &large) || large.Size <= large.Limit || !strings.Contains(err.Error(), "it would hold 1048577 bytes, and may hold 1048576") {
		t.Errorf("have %v", err)
	}
	second.Text = strings.Repeat("a", large.Limit)
	if _, err = w.cluster.WriteDocument(t.Context(), second); err != nil {
		t.Errorf("the largest: %v", err)
	}
}
