package record

import "testing"

// A rollout writes its own copies: who reads what was observed sees none of that.
func TestACopyIsWrittenAlone(t *testing.T) {
	h := History{{Revision: 1, Outcome: Good}, {Revision: 2, Outcome: Good}}
	own := Copy(h)
	*own[1] = Record{Revision: 2, Outcome: Failed, Damage: "x"} // as a store replaces what it wrote
	if h[1].Outcome != Good || h.Last() != h[1] || own.Last() == h.Last() {
		t.Errorf("%+v, %+v", h[1], own[1])
	}
}
