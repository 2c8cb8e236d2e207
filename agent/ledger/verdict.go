package ledger

// Verdict is what became of a commit in an environment.
type Verdict string

// The verdicts. The last three are not final.
const (
	Applied     Verdict = "applied"
	NoOp        Verdict = "no-op"
	Failed      Verdict = "failed"
	RolledBack  Verdict = "rolled-back"
	Superseded  Verdict = "superseded"
	Refused     Verdict = "refused"
	Pending     Verdict = "pending"
	Progressing Verdict = "progressing"
	Held        Verdict = "held"
)

// All lists the verdicts.
var All = [...]Verdict{Applied, NoOp, Failed, RolledBack, Superseded, Refused, Pending, Progressing, Held}

// Final reports whether a verdict stays.
func (v Verdict) Final() bool { return v != Pending && v != Progressing && v != Held }

// Stands reports whether another pass can't change the verdict of the commit. A refused commit
// may be accepted later: once the CRD or the permission is there.
func (v Verdict) Stands() bool { return v.Final() && v != Refused }

// Live reports whether a verdict means that the commit runs.
func (v Verdict) Live() bool { return v == Applied || v == NoOp }
