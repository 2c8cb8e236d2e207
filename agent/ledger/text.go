package ledger

import (
	"encoding/json"
	"fmt"
	"slices"
)

// The ledger's bounds: a ConfigMap holds 1 MiB, of which metadata and escaping
// need their share.
const (
	maxEntries = 200
	maxBytes   = 900 << 10
)

func (l *Ledger) trim() {
	if n := len(l.Entries) - maxEntries; n > 0 {
		l.Entries = slices.Clone(l.Entries[n:])
	}
}

// Text returns the ledger as it is stored. What does not fit is left out: pods' logs of all
// but the newest entry first, then the oldest entries, then details of drift and of outcomes.
// The newest verdict always fits.
func (l *Ledger) Text() (string, error) {
	text, err := l.encode()
	if err == nil && len(text) > maxBytes {
		l.Entries = withoutLogs(l.Entries)
		text, err = l.encode()
	}
	for err == nil && len(text) > maxBytes && len(l.Entries) > 1 {
		l.Entries = l.Entries[max(1, len(l.Entries)/10):]
		text, err = l.encode()
	}
	for _, longest := range []int{512, 64} {
		if err != nil || len(text) <= maxBytes {
			return text, err
		}
		text, err = l.brief(longest).encode()
	}
	if err == nil && len(text) > maxBytes {
		text, err = l.bare().encode()
	}
	return text, err
}

// withoutLogs returns entries without the logs of pods, but for the newest. Others may hold
// those that were given.
func withoutLogs(entries []Entry) []Entry {
	out := slices.Clone(entries)
	for i := range max(0, len(out)-1) {
		e := &out[i]
		e.Releases = slices.Clone(e.Releases)
		for n := range e.Releases {
			e.Releases[n].Log = nil
		}
	}
	return out
}

func (l *Ledger) encode() (string, error) {
	raw, err := json.Marshal(l)
	if err != nil {
		return "", fmt.Errorf("encode the ledger of %s: %w", l.Environment, err)
	}
	return string(raw), nil
}

// brief returns the ledger with shorter reasons and one drifted field a release.
func (l *Ledger) brief(longest int) *Ledger {
	out := *l
	out.Releases = slices.Clone(l.Releases)
	for i := range out.Releases {
		r := &out.Releases[i]
		r.Reason = cut(r.Reason, longest)
		if n := min(1, len(r.Drift)); len(r.Drift) > n {
			r.MoreDrift += len(r.Drift) - n
			r.Drift = r.Drift[:n]
		}
	}
	out.Entries = slices.Clone(l.Entries)
	for i := range out.Entries {
		e := &out.Entries[i]
		e.Releases = slices.Clone(e.Releases)
		for n := range e.Releases {
			e.Releases[n].Reason, e.Releases[n].Log = cut(e.Releases[n].Reason, longest), nil
		}
	}
	return &out
}

// bare returns the ledger with the newest verdict and the releases' names alone.
func (l *Ledger) bare() *Ledger {
	out := *l.brief(64)
	out.Acts = nil
	for i := range out.Releases {
		r := &out.Releases[i]
		r.MoreDrift += len(r.Drift)
		r.Drift, r.BlockedBy, r.Leaving = nil, nil, nil
	}
	for i := range out.Entries {
		out.Entries[i].Releases = nil
	}
	return &out
}
