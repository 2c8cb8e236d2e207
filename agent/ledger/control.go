package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/xetys/tether/apply"
	"github.com/xetys/tether/apply/kube"
	"github.com/xetys/tether/apply/record"
	"github.com/xetys/tether/source/printable"
)

// Control is what people ask of the agent beside git: it stands in a ConfigMap of
// its own next to the ledger, so that it works with the agent down, shows who
// asked for what, and needs no other permission than to write that.
type Control struct {
	Pauses []Pause `json:"pauses,omitempty"`
	// Sync asks for a fetch and a pass now; another ID is another request.
	Sync *Sync `json:"sync,omitempty"`
	// Retry has failures up to a revision tried again, by "namespace/release".
	Retry map[string]int `json:"retry,omitempty"`
	// Confirmed is the commit whose deletions were confirmed.
	Confirmed string `json:"confirmed,omitempty"`
	// Acts are what was asked for and when, oldest first.
	Acts []Act `json:"acts,omitempty"`
	// Unread says what of it can't be read; empty if all can. It is never stored.
	Unread string `json:"-"`
}

func (c *Control) note(a Act) { c.Acts = note(c.Acts, a) }

// bound shortens what people told with what they asked for: one who tells too much must not
// keep others from asking.
func (c *Control) bound() {
	for i := range c.Pauses {
		p := &c.Pauses[i]
		p.By, p.Reason = printable.Line(p.By, maxActText), printable.Line(p.Reason, maxActText)
	}
	if c.Sync != nil {
		c.Sync.By = printable.Line(c.Sync.By, maxActText)
	}
	c.Acts = c.Acts[max(0, len(c.Acts)-maxActs):]
	for i := range c.Acts {
		a := &c.Acts[i]
		a.By, a.Reason = printable.Line(a.By, maxActText), printable.Line(a.Reason, maxActText)
	}
}

// Pause keeps the agent from changing an environment, or one release of it,
// until it ends.
type Pause struct {
	Release string    `json:"release,omitempty"` // empty for all
	By      string    `json:"by"`
	Reason  string    `json:"reason"`
	Since   time.Time `json:"since"`
	Until   time.Time `json:"until"`
	// Lost says that it stands in for pauses that could not be read.
	Lost bool `json:"lost,omitempty"`
}

// Sync is a request for a fetch and a pass now.
type Sync struct {
	ID string    `json:"id"`
	By string    `json:"by"`
	At time.Time `json:"at"`
}

// String says who paused it, until when and why; stable.
func (p Pause) String() string {
	text := fmt.Sprintf("paused by %s until %s", p.By, p.Until.UTC().Format(time.RFC3339))
	if p.Lost {
		text = "paused until somebody resumes"
	}
	if p.Reason != "" {
		text += ": " + p.Reason
	}
	return text
}

// Paused returns the pause that holds a release at now: the one that lasts
// longest.
func (c Control) Paused(release string, now time.Time) *Pause {
	var out *Pause
	for _, p := range c.Pauses {
		if (p.Release == "" || p.Release == release) && now.Before(p.Until) && (out == nil || p.Until.After(out.Until)) {
			out = &p
		}
	}
	return out
}

// NextEnd returns when the next pause ends, zero if none is in effect.
func (c Control) NextEnd(now time.Time) time.Time {
	var next time.Time
	for _, p := range c.Pauses {
		if now.Before(p.Until) && (next.IsZero() || p.Until.Before(next)) {
			next = p.Until
		}
	}
	return next
}

// in returns a document with what is asked for in it.
func (c Control) in(d kube.Document) (kube.Document, error) {
	raw, err := json.Marshal(c)
	d.Text = string(raw)
	return d, err
}

// ask changes what is asked of the agent; another's change at the same time is
// not lost. What was asked before and can't be read is set aside first.
func ask(ctx context.Context, c *apply.Cluster, namespace string, now time.Time, change func(*Control) error) error {
	for {
		d, err := readControl(ctx, c, c.Environment, namespace)
		if err != nil {
			return err
		}
		control := ParseControl(c.Environment, d.Text)
		if control.Unread != "" {
			if _, err := SetControlAside(ctx, c, namespace, now); err != nil {
				return err
			}
			continue
		}
		if err := change(&control); err != nil {
			return err
		}
		control.Pauses = slices.DeleteFunc(control.Pauses, func(p Pause) bool { return !now.Before(p.Until) })
		control.bound()
		if d, err = control.in(d); err != nil {
			return err
		}
		_, err = c.WriteDocument(ctx, d)
		if err == nil || !apierrors.IsConflict(err) && !apierrors.IsAlreadyExists(err) {
			return err
		}
	}
}

// AskPause pauses an environment, or one release of it, in place of a former
// pause of the same. What stands in for lost pauses stays: it ends when somebody resumes.
func AskPause(ctx context.Context, c *apply.Cluster, namespace string, p Pause) error {
	l, err := Read(ctx, c, namespace)
	if err != nil {
		return err
	}
	if p.Release != "" {
		if err := l.Known(p.Release); err != nil {
			return err
		}
	}
	return ask(ctx, c, namespace, p.Since, func(control *Control) error {
		control.Pauses = append(slices.DeleteFunc(control.Pauses, func(o Pause) bool { return o.Release == p.Release && !o.Lost }), p)
		control.note(Act{Kind: Paused, At: p.Since, By: p.By, Release: p.Release, Reason: p.Reason, Until: p.Until})
		return nil
	})
}

// ErrNotPaused says that there is nothing to resume.
var ErrNotPaused = errors.New("no pause is in force")

// AskResume ends the pause of an environment, or of one release of it. Where what was asked
// for before turns out not to be readable, nothing is resumed: who asks is told first.
func AskResume(ctx context.Context, c *apply.Cluster, namespace, release, by string, now time.Time) error {
	if _, err := Read(ctx, c, namespace); err != nil {
		return err // the environment's name is wrong
	}
	unread, err := SetControlAside(ctx, c, namespace, now)
	if err != nil {
		return err
	}
	if unread != "" {
		return &UnreadError{Why: unread, Aside: UnreadControlDocument(c.Environment, namespace).Name}
	}
	return ask(ctx, c, namespace, now, func(control *Control) error {
		n := len(control.Pauses)
		control.Pauses = slices.DeleteFunc(control.Pauses, func(p Pause) bool { return p.Release == release })
		if len(control.Pauses) == n {
			return ErrNotPaused
		}
		control.note(Act{Kind: Resumed, At: now, By: by, Release: release})
		return nil
	})
}

// SyncRequest is what `tether sync` asks for.
type SyncRequest struct {
	By string
	// Retry has what failed tried again with the same inputs.
	Retry bool
	// Confirm is the commit whose deletions are confirmed.
	Confirm string
}

// AskSync asks for a fetch and a pass now. It returns the head that the agent
// knew before.
func AskSync(ctx context.Context, c *apply.Cluster, namespace string, r SyncRequest, now time.Time) (*Entry, error) {
	l, err := Read(ctx, c, namespace)
	if err != nil {
		return nil, err
	}
	if r.Confirm != "" {
		e := l.Entry(r.Confirm)
		if e == nil || e != l.Head() {
			return nil, fmt.Errorf("commit %s is not the head of environment %s: only what is about to be deleted can be confirmed", r.Confirm, c.Environment)
		}
		r.Confirm = e.Commit.Commit
	}
	retry, err := failures(ctx, c, l, r.Retry)
	if err != nil {
		return nil, err
	}
	err = ask(ctx, c, namespace, now, func(control *Control) error {
		control.Sync = &Sync{ID: fmt.Sprintf("%x", now.UnixNano()), By: r.By, At: now.UTC()}
		a := Act{Kind: Synced, At: now, By: r.By}
		if r.Retry {
			control.Retry, a.Kind = retry, Retried
		}
		if r.Confirm != "" {
			control.Confirmed, a.Kind, a.Commit = r.Confirm, Confirmed, r.Confirm
		}
		control.note(a)
		return nil
	})
	return l.Head(), err
}

// AskFetch asks for a fetch and a pass now, and for nothing else.
func AskFetch(ctx context.Context, c *apply.Cluster, namespace, by string, now time.Time) error {
	return ask(ctx, c, namespace, now, func(control *Control) error {
		control.Sync = &Sync{ID: fmt.Sprintf("%x", now.UnixNano()), By: by, At: now.UTC()}
		return nil
	})
}

// failures returns the newest revision of each release: what failed up to it may
// be tried again.
func failures(ctx context.Context, c *apply.Cluster, l *Ledger, asked bool) (map[string]int, error) {
	if !asked {
		return nil, nil
	}
	out := map[string]int{}
	for _, r := range l.Releases {
		history, err := c.Records.History(ctx, r.Namespace, r.Name)
		if err != nil {
			return nil, err
		}
		if last := record.History(history).Last(); last != nil {
			out[r.Namespace+"/"+r.Name] = last.Revision
		}
	}
	return out, nil
}

// Request tells the last request to sync from those before; empty without one.
func (c Control) Request() string {
	if c.Sync == nil {
		return ""
	}
	return c.Sync.ID
}
