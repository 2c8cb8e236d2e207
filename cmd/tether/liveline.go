package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/source/printable"
)

// liveLine is the last line of a terminal, which changes in place and tells for how long
// what it says has been so. What is written through it meanwhile goes above it.
type liveLine struct {
	mu    sync.Mutex
	to    io.Writer
	width func() int
	now   func() time.Time
	text  string
	since time.Time // when it was begun
}

// newLiveLine returns one for a terminal, and nil for anything else.
func newLiveLine(w io.Writer) *liveLine {
	if !isTerminal(w) || os.Getenv("TERM") == "dumb" {
		return nil
	}
	file := w.(*os.File)
	width := func() int {
		if n, _, err := term.GetSize(int(file.Fd())); err == nil && n > 0 {
			return n
		}
		return 80
	}
	return &liveLine{to: w, width: width, now: time.Now}
}

const clearLine = "\r\x1b[K"

// Write implements io.Writer.
func (l *liveLine) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.text == "" {
		return l.to.Write(p)
	}
	if _, err := io.WriteString(l.to, clearLine); err != nil {
		return 0, err
	}
	n, err := l.to.Write(p)
	l.draw()
	return n, err
}

// set says something else; nothing ends the line.
func (l *liveLine) set(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.text == "" {
		l.since = l.now()
	}
	l.text = text
	l.draw()
}

// draw needs the lock. That a terminal is gone is noticed by who writes what counts.
func (l *liveLine) draw() {
	text := clearLine
	if l.text != "" {
		text += printable.Line(fmt.Sprintf("%s %s", l.now().Sub(l.since).Truncate(time.Second), l.text), l.width()-1)
	}
	_, _ = io.WriteString(l.to, text)
}

// run keeps the time on the line until ctx ends.
func (l *liveLine) run(ctx context.Context) {
	ticks := time.NewTicker(time.Second)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
			l.mu.Lock()
			if l.text != "" {
				l.draw()
			}
			l.mu.Unlock()
		}
	}
}

// follow shows on a line what the newest commits of the environments wait for, until it is
// told to stop. What can't be read is not shown: the agent says what is wrong with it.
func (f *agentFlags) follow(ctx context.Context, line *liveLine) (stop func()) {
	if line == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var mu sync.Mutex
	said := map[string]string{}
	for _, given := range f.environments {
		name, _, _ := strings.Cut(given, "@")
		c, err := f.cluster(name)
		if err != nil {
			continue
		}
		go func() {
			_ = ledger.Follow(ctx, c, f.namespace, func(e *ledger.Entry) {
				mu.Lock()
				defer mu.Unlock()
				if delete(said, name); e != nil && !e.Verdict.Final() {
					said[name] = name + ": " + notLiveError{e}.Error()
				}
				if ctx.Err() == nil {
					line.set(strings.Join(slices.Sorted(maps.Values(said)), "; "))
				}
			})
		}()
	}
	go line.run(ctx)
	return func() {
		cancel()
		mu.Lock()
		defer mu.Unlock()
		line.set("")
	}
}
