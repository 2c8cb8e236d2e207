package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/xetys/tether/agent/ledger"
)

// Store keeps what was sent, and gives it back. Load returns an empty text if nothing was
// kept.
type Store interface {
	Load(ctx context.Context) (text string, err error)
	Save(ctx context.Context, text string) error
}

// Notifier tells of one environment. Ledger may be called at any time; Run runs once.
type Notifier struct {
	Config *Config
	Store  Store
	// Leads reports whether this process still speaks for the environment.
	Leads func() bool
	// Failed is told of a sink that can't be reached, nil once it can again.
	Failed func(sink string, err error)
	Now    func() time.Time
	// Origin is a name that no other agent has, of any cluster, and that stays.
	Origin func(ctx context.Context) (string, error)

	origin  string // once it is known
	ledgers chan string
	memory  *memory
	unsaved bool // memory holds what is not stored
	pauses  map[string]pause
	// repeated is when sinks that forget were last told of what goes on.
	repeated map[string]time.Time
}

// pause is how long a sink that can't be reached is left alone.
type pause struct {
	next  time.Time
	after time.Duration
}

const (
	firstPause   = time.Second
	maxPause     = 5 * time.Minute
	recheckEvery = time.Minute // by itself: releases fall behind without a word of the ledger
)

// New returns a Notifier.
func New(n Notifier) *Notifier {
	n.ledgers, n.pauses, n.repeated = make(chan string, 1), map[string]pause{}, map[string]time.Time{}
	return &n
}

// Ledger has the Notifier look at a ledger as it was stored. It does not wait.
func (n *Notifier) Ledger(text string) {
	for {
		select {
		case n.ledgers <- text:
			return
		default:
		}
		select {
		case <-n.ledgers: // an older one, which nobody needs
		default:
		}
	}
}

// Run tells what the ledgers say, until ctx ends.
func (n *Notifier) Run(ctx context.Context) {
	var now *ledger.Ledger
	timer := time.NewTimer(recheckEvery)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case text := <-n.ledgers:
			if l, err := ledger.Parse(text); err == nil {
				now = l
			}
		case <-timer.C:
		}
		next := recheckEvery
		if now != nil {
			next = n.deliver(ctx, now)
		}
		timer.Reset(next)
	}
}

// deliver tells all sinks what a ledger says, and returns when to look again by itself.
func (n *Notifier) deliver(ctx context.Context, l *ledger.Ledger) time.Duration {
	if err := n.ready(ctx); err != nil {
		n.Failed("", err)
		return firstPause
	}
	next := recheckEvery
	for i := range n.Config.rules {
		r := &n.Config.rules[i]
		if !matches(r.environments, l.Environment) {
			continue
		}
		p := n.pauses[r.name]
		if wait := p.next.Sub(n.Now()); wait > 0 {
			next = min(next, wait)
			continue
		}
		err := n.deliverTo(ctx, l, r)
		if ctx.Err() != nil {
			return recheckEvery
		}
		if err != nil {
			p.after = min(max(2*p.after, firstPause), maxPause)
			p.next = n.Now().Add(p.after)
			n.pauses[r.name], next = p, min(next, p.after)
		} else {
			delete(n.pauses, r.name)
		}
		if err != nil || p.after > 0 {
			n.Failed(r.name, err)
		}
		if n.unsaved {
			return firstPause
		}
	}
	return next
}

// ready has what was sent at hand, and stored: nothing more is sent before.
func (n *Notifier) ready(ctx context.Context) error {
	if n.memory == nil {
		text, err := n.Store.Load(ctx)
		if err != nil {
			return err
		}
		n.memory = remembered(text)
	}
	if n.unsaved {
		return n.save(ctx)
	}
	return nil
}

// deliverTo tells a sink what it was not told, or was told otherwise.
func (n *Notifier) deliverTo(ctx context.Context, l *ledger.Ledger, r *rule) error {
	all := Notices(l, func(release string) bool { return matches(r.releases, release) }, n.Config.BehindFor, n.Now())
	if n.memory.begin(r, all) {
		if err := n.save(ctx); err != nil {
			return err
		}
	}
	all = n.memory.goOn(r.name, all)
	if err := n.identify(ctx, r, all); err != nil {
		return fmt.Errorf("sink %s (%s): %w", r.name, r.sink.address(), err)
	}
	for _, notice := range all {
		s := n.memory.of(r.name, notice.ID)
		if s == nil && !r.begins(notice) || s != nil && (s.Digest == digestOf(notice) || !r.goesOn(notice)) {
			continue
		}
		if !n.Leads() {
			return nil
		}
		if err := n.send(ctx, r, notice, s); err != nil {
			return fmt.Errorf("sink %s (%s): %w", r.name, r.sink.address(), err)
		}
	}
	n.memory.trim(r.name, all)
	return n.repeat(ctx, r, all)
}

// identify has notices say which agent they come from, for a sink that needs it.
func (n *Notifier) identify(ctx context.Context, r *rule, all []Notice) (err error) {
	if _, is := r.sink.(identified); !is {
		return nil
	}
	if n.origin == "" {
		if n.origin, err = n.Origin(ctx); err != nil {
			return err
		}
	}
	for i := range all {
		all[i].Origin = n.origin
	}
	return nil
}

// repeat tells a sink again of what goes on, if it forgets that else. Nothing is noted: it
// is the same that it was told.
func (n *Notifier) repeat(ctx context.Context, r *rule, all []Notice) error {
	if _, is := r.sink.(repeater); !is {
		return nil
	}
	last, told := n.repeated[r.name]
	if !told {
		n.repeated[r.name] = n.Now() // it was told just now, or is told by the next look
	}
	if !told || n.Now().Sub(last) < recheckEvery {
		return nil
	}
	for _, notice := range goingOnOf(all) {
		s := n.memory.of(r.name, notice.ID)
		if s == nil || !n.Leads() {
			continue // the rule does not tell it
		}
		if _, err := r.sink.send(ctx, notice, s.Known); err != nil {
			return fmt.Errorf("sink %s (%s): %w", r.name, r.sink.address(), err)
		}
	}
	n.repeated[r.name] = n.Now()
	return nil
}

// goingOnOf are the matters that go on, and the newest commit that failed, if none is live
// since.
func goingOnOf(all []Notice) []Notice {
	var out []Notice
	var failed *Notice
	for i := range all {
		switch n := &all[i]; {
		case n.Kind == Deploy && n.Bad():
			failed = n
		case n.Kind == Deploy && ledger.Verdict(n.State).Live():
			failed = nil
		case n.State == Open:
			out = append(out, *n)
		}
	}
	if failed != nil {
		out = append(out, *failed)
	}
	return out
}

// send tells a sink one notice, and stores that it did. What the sink will never take, such as
// a status for a commit that it does not know, is told of and passed over: what comes behind it
// is not kept waiting.
func (n *Notifier) send(ctx context.Context, r *rule, notice Notice, before *sent) error {
	known := ""
	if before != nil {
		known = before.Known
	}
	known, err := r.sink.send(ctx, notice, known)
	var a *answerError
	if errors.As(err, &a) && a.lasting() {
		n.Failed(r.name, fmt.Errorf("sink %s (%s) does not take %q: %w", r.name, r.sink.address(), notice.Title, err))
		known, err = "", nil
	}
	if err != nil {
		return err
	}
	n.memory.note(sent{Sink: r.name, Known: known, Digest: digestOf(notice), Notice: brief(notice)})
	return n.save(ctx)
}

func (n *Notifier) save(ctx context.Context) error {
	raw, err := json.Marshal(n.memory)
	if err == nil {
		err = n.Store.Save(ctx, string(raw))
	}
	n.unsaved = err != nil
	return err
}
