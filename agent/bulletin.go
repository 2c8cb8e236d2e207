package agent

import (
	"fmt"
	"slices"
	"sync"

	"github.com/xetys/tether/agent/assess"
	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/agent/observed"
	"github.com/xetys/tether/agent/report"
)

// news is something that is told once: to the log, and by an event.
type news struct{ reason, release, text string }

// bulletin is what is to be told at the end of a look, and what is told already and is not
// to be told again. What surveys and repairs add is safe for concurrent use; turns, damaged
// and blind are the loop's.
type bulletin struct {
	mu       sync.Mutex
	news     []news
	repaired []ledger.Act // drift that was put back, for the ledger

	turns   []report.Turn     // releases whose health turned
	damaged map[string]bool   // records that were said to be damaged
	blind   map[string]string // kinds that can't be watched, and why
}

// forget has damage told again.
func (b *bulletin) forget() { b.damaged = map[string]bool{} }

func (b *bulletin) add(more ...news) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.news = append(b.news, more...)
}

// take returns what is to be told, once.
func (b *bulletin) take() ([]news, []ledger.Act) {
	b.mu.Lock()
	defer b.mu.Unlock()
	all, repaired := b.news, b.repaired
	b.news, b.repaired = nil, nil
	return all, repaired
}

// note takes down what a survey found that stays in the cluster, if it was not there
// before: drift that is only reported, and fields that people's tools added. Each object
// is told once, however many of its fields differ.
func (b *bulletin) note(j *assess.Release, before, now *observed.Held) {
	var known []ledger.Drift
	if before != nil {
		known = slices.Concat(before.Drift, before.Foreign)
	}
	seen := make(map[ledger.Drift]bool, len(known))
	for _, d := range known {
		seen[d] = true
	}
	var order []news
	fields := map[news][]string{}
	for _, d := range slices.Concat(now.Drift, now.Foreign) {
		if seen[d] || !d.Foreign && j.State.Corrects() {
			continue
		}
		n, text := news{"Drift", j.Spec.Name, d.Object}, fmt.Sprintf("%s is %s, not %s", d.Path, d.Have, d.Want)
		if d.Foreign {
			n.reason, text = "Foreign", fmt.Sprintf("%s is %s, which is not of the chart", d.Path, d.Have)
		}
		if d.Manager != "" {
			text += ", by " + d.Manager
		}
		if fields[n] == nil {
			order = append(order, n)
		}
		fields[n] = append(fields[n], text)
	}
	for _, n := range order {
		b.add(news{n.reason, n.release, n.text + ": " + ledger.Few(fields[n])})
	}
}

func (b *bulletin) putBack(acts []ledger.Act) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.repaired = append(b.repaired, acts...)
}
