package ledger

import (
	"context"
	"fmt"
	"slices"

	"github.com/xetys/tether/apply"
	"github.com/xetys/tether/apply/kube"
)

// maxAside bounds how many texts that can't be read are kept of a document.
const maxAside = 3

// SetAside keeps a text that can't be read in a document, and what was kept there before in
// one of the same name with .2 behind it, and so on: what people look for is the newest, and
// what broke first may be worth more. It returns the document. What is kept already stays as
// it is.
func SetAside(ctx context.Context, c *apply.Cluster, at kube.Document, text string) (kube.Document, error) {
	docs, texts := make([]kube.Document, maxAside), []string{text}
	for i := range docs {
		d := at
		if i > 0 {
			d.Name = fmt.Sprintf("%s.%d", at.Name, i+1)
		}
		d, err := c.ReadDocument(ctx, d)
		if err != nil {
			return at, err
		}
		if docs[i] = d; d.Text != "" && !slices.Contains(texts, d.Text) {
			texts = append(texts, d.Text)
		}
	}
	for i := min(maxAside, len(texts)) - 1; i >= 0; i-- { // the oldest first: nothing is lost halfway
		if docs[i].Text == texts[i] {
			continue
		}
		docs[i].Text = texts[i]
		if _, err := c.WriteDocument(ctx, docs[i]); err != nil {
			return at, err
		}
	}
	return at, nil
}
