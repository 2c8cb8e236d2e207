package ledger

import (
	"fmt"
	"time"
)

// Away says why nothing new is heard of git, and since when.
type Away struct {
	Since  time.Time `json:"since"`
	Reason string    `json:"reason"`
}

// Trouble says in one line that what is told may be old; nothing of nil.
func (a *Away) Trouble() string {
	if a == nil {
		return ""
	}
	return fmt.Sprintf("git can't be had since %s, and the last good commit stays in force: %s", a.Since.UTC().Format(time.RFC3339), a.Reason)
}
