package notify

import (
	"encoding/json"
	"slices"
)

// memory is what sinks were told.
type memory struct {
	// Begun are the sinks that were told something, or that found nothing to be told.
	Begun []string `json:"begun"`
	Sent  []sent   `json:"sent"`
}

// sent is what a sink was told last of a matter.
type sent struct {
	Sink   string `json:"sink"`
	Known  string `json:"known,omitempty"` // what the sink calls it
	Digest string `json:"digest"`
	Notice Notice `json:"notice"`
}

// remembered reads a memory. One that is damaged begins anew: then what is over is not told.
func remembered(text string) *memory {
	m := &memory{}
	if text == "" || json.Unmarshal([]byte(text), m) != nil {
		return &memory{}
	}
	return m
}

// begin enters a sink that is told for the first time: what is over by then is no
// news, but for the newest commit. It reports whether the memory changed.
func (m *memory) begin(r *rule, all []Notice) bool {
	if slices.Contains(m.Begun, r.name) {
		return false
	}
	m.Begun = append(m.Begun, r.name)
	for i, n := range all {
		newer := slices.ContainsFunc(all[i+1:], func(later Notice) bool { return later.Kind == Deploy })
		if n.Ended() && (n.Kind != Deploy || newer) {
			m.note(sent{Sink: r.name, Digest: digestOf(n), Notice: brief(n)})
		}
	}
	return true
}

// goOn returns the notices with what a sink was told of before: what goes on is the same
// matter though other releases have it now, and what a sink was told of and goes on no more is
// over.
func (m *memory) goOn(sink string, all []Notice) []Notice {
	out := slices.Clone(all)
	for _, s := range m.Sent {
		if s.Sink != sink || s.Notice.State != Open {
			continue
		}
		i := slices.IndexFunc(out, func(n Notice) bool { return n.Kind == s.Notice.Kind && n.State == Open })
		if i >= 0 {
			out[i].ID, out[i].Since = s.Notice.ID, s.Notice.Since
			continue
		}
		n := s.Notice
		n.State, n.Title = Over, n.Title+": this is over"
		out = append(out, n)
	}
	return out
}

func (m *memory) of(sink, id string) *sent {
	for i := range m.Sent {
		if s := &m.Sent[i]; s.Sink == sink && s.Notice.ID == id {
			return s
		}
	}
	return nil
}

func (m *memory) note(s sent) {
	if old := m.of(s.Sink, s.Notice.ID); old != nil {
		*old = s
		return
	}
	m.Sent = append(m.Sent, s)
}

// trim forgets what a sink was told of matters that the ledger does not tell of any more.
func (m *memory) trim(sink string, all []Notice) {
	m.Sent = slices.DeleteFunc(m.Sent, func(s sent) bool {
		return s.Sink == sink && s.Notice.State != Open && !slices.ContainsFunc(all, func(n Notice) bool { return n.ID == s.Notice.ID })
	})
}

// brief is as much of a notice as is remembered.
func brief(n Notice) Notice {
	n.Lines = nil
	return n
}
