package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/xetys/tether/apply"
)

// forever is when a pause ends that lasts until somebody resumes.
var forever = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)

// ParseControl reads what people asked for of an environment's agent; no text is nothing.
// What of it can't be read is left out, and Unread says so. Where pauses may be among that,
// the environment is paused until somebody resumes: whoever paused it counts on that, and
// all else that is lost (a sync, a retry, a confirmation) can be asked for again and changes
// nothing until then. What is told with it is bounded, whoever wrote it.
func ParseControl(environment, text string) Control {
	c := parseControl(environment, text)
	c.bound()
	return c
}

func parseControl(environment, text string) Control {
	var c Control
	if text == "" {
		return c
	}
	var parts map[string]json.RawMessage
	err := json.Unmarshal([]byte(text), &parts)
	if err == nil && parts == nil {
		err = errors.New("it is null")
	}
	if err != nil {
		c.unread(err)
		c.Pauses = []Pause{lostPause(environment)}
		return c
	}
	for key, raw := range parts {
		switch strings.ToLower(key) {
		case "pauses":
			c.readPauses(environment, raw)
		case "sync":
			read(&c, "sync", raw, &c.Sync)
		case "retry":
			read(&c, "retry", raw, &c.Retry)
		case "confirmed":
			read(&c, "confirmed", raw, &c.Confirmed)
		case "acts":
			read(&c, "acts", raw, &c.Acts)
		default: // of a newer version; or a slip of somebody's
			if alike(key, "pauses") {
				c.unread(fmt.Errorf("%s: it has to be pauses", key))
				c.Pauses = append(c.Pauses, lostPause(environment))
			}
		}
	}
	return c
}

func (c *Control) unread(err error) {
	why := cut(err.Error(), maxActText/2)
	if c.Unread != "" {
		why = c.Unread + "; " + why
	}
	c.Unread = cut(why, maxActText)
}

// readPauses reads the pauses, each by itself: one that can't be read does not end the others.
func (c *Control) readPauses(environment string, raw json.RawMessage) {
	var all []json.RawMessage
	err := json.Unmarshal(raw, &all)
	for i, one := range all {
		var p Pause
		wrong := json.Unmarshal(one, &p)
		if wrong == nil && p.Until.IsZero() {
			wrong = errors.New("until is missing")
		}
		if wrong != nil {
			err = fmt.Errorf("number %d: %w", i+1, wrong)
			continue
		}
		c.Pauses = append(c.Pauses, p)
	}
	if err != nil {
		c.unread(fmt.Errorf("pauses: %w", err))
		c.Pauses = append(c.Pauses, lostPause(environment))
	}
}

// read reads one part; one that can't be read is empty.
func read[T any](c *Control, part string, raw json.RawMessage, into *T) {
	var value T
	if err := json.Unmarshal(raw, &value); err != nil {
		c.unread(fmt.Errorf("%s: %w", part, err))
		return
	}
	*into = value
}

// lostPause stands in for pauses that can't be read.
func lostPause(environment string) Pause {
	aside := UnreadControlDocument(environment, "").Name
	return Pause{By: "tether", Lost: true, Until: forever,
		Reason: fmt.Sprintf("what people asked for can't be read, a pause perhaps: look into ConfigMap %s, then `tether resume %s`", aside, environment)}
}

// UnreadError says that what people had asked for could not be read, and was set aside.
type UnreadError struct {
	Why   string
	Aside string // the ConfigMap in which it is kept
}

// Error says what could not be read, and what to do.
func (e *UnreadError) Error() string {
	return fmt.Sprintf("what people had asked for could not be read (%s), and is kept in ConfigMap %s now: see what it held, then ask again", e.Why, e.Aside)
}

// SetControlAside keeps a control that can't be read in another ConfigMap, and leaves what can
// be read of it in its place. It returns what could not be read; nothing if all could, and then
// nothing is written. Any process may do that.
func SetControlAside(ctx context.Context, c *apply.Cluster, namespace string, now time.Time) (string, error) {
	for {
		d, err := readControl(ctx, c, c.Environment, namespace)
		if err != nil {
			return "", err
		}
		control := ParseControl(c.Environment, d.Text)
		if control.Unread == "" {
			return "", nil
		}
		aside, err := SetAside(ctx, c, UnreadControlDocument(c.Environment, namespace), d.Text)
		if err == nil {
			control.note(Act{Kind: Unread, At: now, By: "tether", Reason: control.Unread + ": it is kept in ConfigMap " + aside.Name})
			d, err = control.in(d)
			if err == nil {
				_, err = c.WriteDocument(ctx, d)
			}
		}
		if err == nil || !apierrors.IsConflict(err) && !apierrors.IsAlreadyExists(err) {
			return control.Unread, err
		}
	}
}
