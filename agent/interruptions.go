package agent

import (
	"github.com/xetys/tether/agent/rollout"
)

var (
	errSuperseded error = &rollout.Interruption{Text: "a newer commit has come"}
	errPaused     error = &rollout.Interruption{Text: "it was paused"}
)
