package agent

import (
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/xetys/tether/agent/assess"
	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/agent/report"
	"github.com/xetys/tether/render"
	"github.com/xetys/tether/render/config"
)

// A pause that ends, or a window that opens, while a pass decides by it brings another pass at
// once; else what was held would be held until something else happens.
func TestWhatChangesDuringAPassIsDue(t *testing.T) {
	noon := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for sentence, c := range map[string]struct {
		control ledger.Control
		windows []config.WindowText
	}{
		"a pause":  {control: ledger.Control{Pauses: []ledger.Pause{{By: "ann", Until: noon}}}},
		"a window": {windows: []config.WindowText{{Kind: "allow", Schedule: "0 12 * * *", Duration: "1h"}}},
	} {
		t.Run(sentence, func(t *testing.T) {
			now := noon.Add(30 * time.Millisecond)
			e := unconnected(&process{opts: Options{Now: func() time.Time { return now }}, log: slog.New(slog.DiscardHandler), metrics: report.NewMetrics(prometheus.NewRegistry())}, "prod")
			e.inbox.SetControl(c.control)
			e.desired.Commit = &assess.Commit{Env: render.NewEnvironment(&config.Environment{Windows: config.ParseWindows(c.windows)})}
			if in := e.untilChange(noon.Add(-time.Second)); in != 0 {
				t.Errorf("after a pass that began before it changed, the next one is due in %s", in)
			}
			if in := e.untilChange(now); in < 30*time.Minute {
				t.Errorf("after a pass that began when it had changed, the next one is due in %s", in)
			}
		})
	}
}
