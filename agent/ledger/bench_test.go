package ledger

import (
	"fmt"
	"testing"

	"github.com/xetys/tether/source"
)

// BenchmarkLedger encodes a full ledger of 1,000 releases, as each look does that
// changed something.
func BenchmarkLedger(b *testing.B) {
	l := &Ledger{Environment: "production", Namespace: "prod"}
	for i := range maxEntries {
		l.AddCommits([]source.Commit{{SHA: fmt.Sprintf("%040d", i), Subject: "Bump web to v1.2.3", Author: "Ann <ann@example.com>", Time: noon}}, noon)
		l.Head().Merge(Outcome{Name: "web", Action: "upgrade", Revision: i, Outcome: string(Applied)})
		l.Head().SetVerdict(Applied, "", noon)
	}
	for i := range 1000 {
		l.Releases = append(l.Releases, Release{Name: fmt.Sprintf("r%d", i), Namespace: "prod", Healthy: true})
	}
	b.ReportAllocs()
	for b.Loop() {
		text, err := l.Text()
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(len(text)))
	}
}
