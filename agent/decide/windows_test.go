package decide

import (
	"strings"
	"testing"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/xetys/tether/render/config"
)

// window writes a window as "allow 8h Europe/Berlin 0 9 * * MON-FRI".
func window(t *testing.T, text string) config.Window {
	t.Helper()
	f := strings.SplitN(text, " ", 4)
	duration, err := time.ParseDuration(f[1])
	if err != nil {
		t.Fatal(err)
	}
	zone, err := time.LoadLocation(f[2])
	if err != nil {
		t.Fatal(err)
	}
	starts, err := cron.ParseStandard(f[3])
	if err != nil {
		t.Fatal(err)
	}
	return config.Window{Starts: starts, Duration: duration, Location: zone, Deny: f[0] == "deny"}
}

func TestDeployWindows(t *testing.T) {
	const (
		work   = "allow 8h UTC 0 9 * * MON-FRI"
		lunch  = "deny 1h UTC 0 12 * * *"
		berlin = "allow 1h Europe/Berlin 30 2 * * *" // in the hour that daylight saving skips and repeats
		always = "allow 1h UTC 0 * * * *"
		freeze = "deny 48h UTC 0 0 24 12 *"
	)
	for sentence, c := range map[string]struct {
		windows []string
		now     string
		opens   string // "open until T", "closed until T", or "open"
	}{
		"without windows it is always open":                       {nil, "2026-11-24T03:00:00Z", "open"},
		"within a window it is open until its end":                {[]string{work}, "2026-11-24T09:00:00Z", "open until 2026-11-24T17:00:00Z"},
		"a window's end is outside":                               {[]string{work}, "2026-11-24T17:00:00Z", "closed until 2026-11-25T09:00:00Z"},
		"after Friday comes Monday":                               {[]string{work}, "2026-11-27T18:00:00Z", "closed until 2026-11-30T09:00:00Z"},
		"deny wins over allow":                                    {[]string{work, lunch}, "2026-11-24T12:30:00Z", "closed until 2026-11-24T13:00:00Z"},
		"deny alone leaves the rest open":                         {[]string{freeze}, "2026-11-24T12:30:00Z", "open until 2026-12-24T00:00:00Z"},
		"a freeze lasts":                                          {[]string{freeze}, "2026-12-25T12:00:00Z", "closed until 2026-12-26T00:00:00Z"},
		"windows that touch are one":                              {[]string{always}, "2026-11-24T12:30:00Z", "open for good"},
		"a start that daylight saving skips counts an hour later": {[]string{berlin}, "2026-03-29T00:59:00Z", "closed until 2026-03-29T01:30:00Z"},
		"so its window is there":                                  {[]string{berlin}, "2026-03-29T02:00:00Z", "open until 2026-03-29T02:30:00Z"},
		"a start that daylight saving repeats counts once":        {[]string{berlin}, "2026-10-25T00:29:00Z", "closed until 2026-10-25T00:30:00Z"},
		"and not again":                                           {[]string{berlin}, "2026-10-25T01:30:00Z", "closed until 2026-10-26T01:30:00Z"},
		"in winter it is an hour later in UTC":                    {[]string{berlin}, "2026-11-24T00:00:00Z", "closed until 2026-11-24T01:30:00Z"},
		"in summer it is an hour earlier":                         {[]string{berlin}, "2026-07-24T00:00:00Z", "closed until 2026-07-24T00:30:00Z"},
		"what is denied for good never opens":                     {[]string{"deny 744h UTC 0 0 1 * *", "deny 744h UTC 0 0 15 * *"}, "2026-11-24T00:00:00Z", "closed for good"},
		"a window that starts each minute of it ends once":        {[]string{"allow 72h UTC * 9 24 11 *"}, "2026-11-25T12:00:00Z", "open until 2026-11-27T09:59:00Z"},
		"one that ended within its month is closed":               {[]string{"allow 300h UTC 0 0 1 * *"}, "2026-11-24T00:00:00Z", "closed until 2026-12-01T00:00:00Z"},
		"one that began long ago is open":                         {[]string{"allow 600h UTC 0 0 1 * *"}, "2026-11-24T00:00:00Z", "open until 2026-11-26T00:00:00Z"},
		"what begins where another ends does not turn":            {[]string{"allow 1h UTC 0 9 * * *", "allow 1h UTC 0 10 * * *"}, "2026-11-24T09:30:00Z", "open until 2026-11-24T11:00:00Z"},
		"starts without end are looked at up to a number":         {[]string{"deny 2m UTC * * * * *"}, "2026-11-24T00:00:00Z", "closed for 10000 starts"},
		"beside a window that never comes, too":                   {[]string{"deny 1s UTC * * * * *", "allow 1h UTC 0 0 30 2 *"}, "2026-11-24T00:00:30Z", "closed for 10000 starts"},
	} {
		t.Run(sentence, func(t *testing.T) {
			var windows []config.Window
			for _, w := range c.windows {
				windows = append(windows, window(t, w))
			}
			now, err := time.Parse(time.RFC3339, c.now)
			if err != nil {
				t.Fatal(err)
			}
			reason, next := Closed(windows, now)
			have := "open"
			if reason == "" && !next.IsZero() {
				have = "open until " + next.UTC().Format(time.RFC3339)
			}
			if _, opens, ok := strings.Cut(reason, "opens at "); ok {
				have = "closed until " + opens
			} else if strings.Contains(reason, "next 10000 starts open none") {
				have = "closed for 10000 starts"
			} else if reason != "" {
				have = "closed for good"
			} else if next.IsZero() && len(windows) > 0 {
				have = "open for good"
			}
			if !strings.HasPrefix(have, c.opens) {
				t.Errorf("%s: %s (%s), want %s", c.now, have, reason, c.opens)
			}
		})
	}
}
