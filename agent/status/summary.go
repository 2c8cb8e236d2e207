package status

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/xetys/tether/agent/decide"
	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/apply"
	"github.com/xetys/tether/render/config"
)

// Overview is what is said of an environment, in short and in full.
type Overview struct {
	Environment   string         `json:"environment"`
	Repository    string         `json:"repository"`
	Branch        string         `json:"branch"`
	Head          *ledger.Commit `json:"head"`
	Applied       *ledger.Commit `json:"applied"`
	Verdict       ledger.Verdict `json:"verdict"`
	Reason        string         `json:"reason"`
	SecondsBehind int64          `json:"secondsBehind"`
	// BehindSince is since when it is not what git asks for; left out if it is.
	BehindSince time.Time `json:"behindSince,omitzero"`
	Paused      *Paused   `json:"paused,omitempty"`
	// Windows says when deploys are allowed; left out if they always are.
	Windows *Windows `json:"windows,omitempty"`
	// Agent is who leads the environment.
	Agent Leader `json:"agent"`
	// Away says why nothing new is heard of git; left out if all is well.
	Away *ledger.Away `json:"away,omitempty"`
}

// Summary is one environment of what `tether status -o json` prints: a contract with
// other programs. It is all in the ledger: nothing else is read.
type Summary struct {
	Overview
	// Releases, Unhealthy and Drifted are how many releases there are, how many of them
	// were not healthy, and how many objects had drifted when the agent last looked.
	Releases  int `json:"releases"`
	Unhealthy int `json:"unhealthy"`
	Drifted   int `json:"drifted"`
}

// Windows says whether deploys are allowed, and when that changes; zero if never.
type Windows struct {
	Open    bool      `json:"open"`
	Changes time.Time `json:"changes,omitzero"`
}

// ReadAll tells of all environments of a namespace, with the agent up or down.
func ReadAll(ctx context.Context, c *apply.Cluster, namespace string, now time.Time) ([]Summary, error) {
	all, err := ledger.List(ctx, c, namespace)
	if err != nil {
		return nil, err
	}
	out := []Summary{}
	for _, l := range all {
		s, _, err := summary(ctx, c, l, namespace, now)
		if err != nil {
			return nil, fmt.Errorf("environment %s: %w", l.Environment, err)
		}
		out = append(out, s)
	}
	return out, nil
}

func summary(ctx context.Context, c *apply.Cluster, l *ledger.Ledger, namespace string, now time.Time) (Summary, ledger.Control, error) {
	control, err := ledger.ReadControlOf(ctx, c, l.Environment, namespace)
	if err != nil {
		return Summary{}, control, err
	}
	leader, err := ReadLeader(ctx, c, namespace, l.Environment, now)
	return summarise(l, control, leader, now), control, err
}

// summarise puts together what is said of an environment.
func summarise(l *ledger.Ledger, control ledger.Control, leader Leader, now time.Time) Summary {
	s := Summary{Releases: len(l.Releases), Overview: Overview{Environment: l.Environment, Repository: l.Repository, Branch: l.Branch, Applied: l.Applied,
		Paused: pausedOf(control.Paused("", now)), Agent: leader, Away: l.Away}}
	if s.Reason = l.Damage; l.Damage != "" {
		return s
	}
	if head := l.Head(); head != nil {
		s.Head, s.Verdict, s.Reason = &head.Commit, head.Verdict, head.Reason
		s.SecondsBehind, s.BehindSince = l.SecondsBehind(now), seconds(l.BehindSince())
	}
	for _, r := range l.Releases {
		if !r.Healthy {
			s.Unhealthy++
		}
		objects := map[string]bool{}
		for _, d := range r.Drift {
			if !d.Foreign {
				objects[d.Object] = true
			}
		}
		s.Drifted += len(objects)
	}
	if windows := config.ParseWindows(l.Windows); len(windows) > 0 {
		closed, _ := decide.Closed(windows, now)
		s.Windows = &Windows{Open: closed == "", Changes: seconds(decide.NextChange(windows, now))}
	}
	return s
}

// seconds is a time as it is shown: in UTC, without fractions.
func seconds(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Second)
}

// Drift is a field that differs, with its values as JSON beside the texts, where they
// are whole and not secret.
type Drift struct {
	ledger.Drift
	WantValue json.RawMessage `json:"wantValue,omitempty"`
	HaveValue json.RawMessage `json:"haveValue,omitempty"`
}

// ShownDrift is a drifted field as it is shown.
func ShownDrift(d ledger.Drift) Drift {
	d.Since = seconds(d.Since)
	return Drift{Drift: d, WantValue: valueOf(d.Want), HaveValue: valueOf(d.Have)}
}

// valueOf returns a text that is JSON; nil for one that was shortened, is masked or says
// that there is no value.
func valueOf(text string) json.RawMessage {
	if !json.Valid([]byte(text)) {
		return nil
	}
	return json.RawMessage(text)
}
