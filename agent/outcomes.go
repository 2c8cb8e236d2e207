package agent

// collect enters what became of the releases that have ended.
func (e *environment) collect(a *active) {
	for {
		select {
		case o := <-a.outcomes:
			j := a.jobOf(o.Release.Key)
			j.unentered = j.Changes()
			j.ended.end(o.Err)
			j.Release, j.outcome, j.left = o.Release, o.Outcome, o.Left
			e.bulletin.putBack(o.Repaired)
		default:
			return
		}
	}
}
