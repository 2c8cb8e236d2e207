package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/xetys/tether/agent/decide"
	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/apply"
	"github.com/xetys/tether/apply/apierror"
	"github.com/xetys/tether/render"
)

// Summary is one environment of what `tether status -o json` prints: a contract with
// other programs. It is all in the ledger: nothing else is read.
type Summary struct {
	Environment   string         `json:"environment"`
	Repository    string         `json:"repository"`
	Branch        string         `json:"branch"`
	Head          *ledger.Commit `json:"head"`
	Applied       *ledger.Commit `json:"applied"`
	Verdict       ledger.Verdict `json:"verdict"`
	Reason        string         `json:"reason"`
	SecondsBehind int64          `json:"secondsBehind"`
	BehindSince   time.Time      `json:"behindSince,omitzero"`
	Paused        *Paused        `json:"paused,omitempty"`
	// Releases, Unhealthy and Drifted are how many releases there are, how many of them
	// were not healthy, and how many objects had drifted when the agent last looked.
	Releases  int      `json:"releases"`
	Unhealthy int      `json:"unhealthy"`
	Drifted   int      `json:"drifted"`
	Windows   *Windows `json:"windows,omitempty"`
	Agent     Leader   `json:"agent"`
	// Away says why nothing new is heard of git; left out if all is well.
	Away *ledger.Away `json:"away,omitempty"`
}

// Windows says whether deploys are allowed, and when that changes; zero if never.
type Windows struct {
	Open    bool      `json:"open"`
	Changes time.Time `json:"changes,omitzero"`
}

// Leader is the agent that leads an environment, by its Lease.
type Leader struct {
	Alive    bool      `json:"alive"`
	Identity string    `json:"identity,omitempty"`
	Renewed  time.Time `json:"renewed,omitzero"`

	// doubt says why the holder is not believed to lead; empty if it is.
	doubt string
	// Never says that no agent ever led it here.
	Never bool `json:"-"`
	// Unknown says that who asks may not read the Lease.
	Unknown bool `json:"-"`
}

// Trouble says in one line that nobody leads; nothing if an agent does, or if that can't
// be told.
func (l Leader) Trouble(environment string) string {
	switch {
	case l.Alive || l.Unknown:
		return ""
	case l.Never:
		return fmt.Sprintf("no agent has led %s in this cluster yet", environment)
	case l.doubt != "":
		return fmt.Sprintf("no agent leads %s: %s", environment, l.doubt)
	case l.Identity == "":
		return fmt.Sprintf("no agent leads %s: what follows is as the last one left it", environment)
	}
	return fmt.Sprintf("no agent leads %s: %s last renewed its Lease at %s", environment, l.Identity, l.Renewed.Format(time.RFC3339))
}

// ReadLeader reads who leads an environment.
func ReadLeader(ctx context.Context, c *apply.Cluster, namespace, environment string, now time.Time) (Leader, error) {
	lease, err := c.ReadLease(ctx, namespace, ledger.Name(environment))
	switch {
	case apierror.Forbidden(err):
		return Leader{Unknown: true}, nil
	case err != nil || lease == nil:
		return Leader{Never: true}, err
	}
	return Leader{Alive: lease.Lasts(now) && !lease.Stranger, Identity: lease.Holder, Renewed: seconds(lease.Renewed), doubt: doubt(lease, now)}, nil
}

// ReadSummaries tells of all environments of a namespace, with the agent up or down.
func ReadSummaries(ctx context.Context, c *apply.Cluster, namespace string, now time.Time) ([]Summary, error) {
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
	s := Summary{Environment: l.Environment, Repository: l.Repository, Branch: l.Branch, Applied: l.Applied,
		Paused: pausedOf(control.Paused("", now)), Releases: len(l.Releases), Agent: leader, Away: l.Away}
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
	if windows := render.ParseWindows(l.Windows); len(windows) > 0 {
		closed, _ := decide.Closed(windows, now)
		s.Windows = &Windows{Open: closed == "", Changes: seconds(decide.Turns(windows, now))}
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

func shownDrift(d ledger.Drift) Drift {
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
