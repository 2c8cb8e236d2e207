// Package observed keeps what an environment saw of the cluster: its releases' records, their
// objects when they were last surveyed (baselines), which objects may have drifted since, and
// which are fought over. Each part is safe for concurrent use.
//
// It does not know what follows from that, and asks no cluster.
package observed

// State is what was observed of the cluster. Its parts have a lock each.
type State struct {
	Histories Histories // the releases, by their records
	Baselines Baselines // what their objects were when last surveyed
	Fights    Fights    // what is changed again each time it is put back
	Touched   Touched   // what may have drifted since
}

// Forget drops all that is known: another leader may have changed it.
func (s *State) Forget() {
	s.Histories.forget()
	s.Baselines.forget()
	s.Fights.forget()
	s.Touched.forget()
}

// Undisturbed reports that there is nothing to look after: the release never ran, or
// nothing happened to it since it was looked at.
func (s *State) Undisturbed(key Key) bool {
	settled := s.Histories.History(key).Settled()
	if settled == nil {
		return true
	}
	h := s.Baselines.Of(key)
	return h != nil && h.Revision == settled.Revision && !s.Touched.Any(h.IDs) && len(h.Drift) == 0
}
