package health

import "time"

// State is the health of an object.
type State string

// The states.
const (
	Healthy     State = "healthy"
	Progressing State = "progressing"
	Unhealthy   State = "unhealthy" // it says that something is wrong
	Missing     State = "missing"
	Unknown     State = "unknown" // it can't be watched
)

// Verdict is the answer on one object.
type Verdict struct {
	State State
	// Rule names what decided, and Field the field that it read.
	Rule, Field string
	// Reason is a sentence: always there if the object is not healthy, and a note
	// otherwise.
	Reason string
	// Failed says that an object that is unhealthy will not mend itself: a rollout may
	// end when that has lasted for Grace.
	Failed bool
	Grace  time.Duration
	// Held says that somebody has to act before the object goes on.
	Held bool
	// Again is when the answer changes though the object does not; zero is never.
	Again time.Time

	said string // the word that decided
}

// worst is the answer that counts of several: what is bad, then what is under way.
func worst(said []Verdict) Verdict {
	for _, state := range []State{Unhealthy, Progressing} {
		for _, v := range said {
			if v.State == state {
				return v
			}
		}
	}
	return said[0]
}

func joined(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}
