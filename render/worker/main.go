// Package worker runs Helm and patches on a repository's content in a process of its own, with
// little memory, without files (except, to read charts, one folder) or connections, which can
// be killed: templates can loop for ever and allocate any amount of memory, and Helm's engine
// can't be stopped.
//
// It does not know git, environments or a cluster: it is given files and values, and asks the
// parent process for what charts look up.
package worker

import (
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"strconv"

	"github.com/xetys/tether/render/worker/wire"
)

// Main is called first by every program that renders. In a worker it does not
// return.
func Main() {
	if len(os.Args) < 2 || os.Args[1] != argument {
		return
	}
	log.SetOutput(io.Discard) // Helm's asides
	if err := work(os.Args[2:]); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", argument, err)
		os.Exit(2)
	}
	os.Exit(0)
}

func work(args []string) error {
	if len(args) != 1 && len(args) != 2 {
		return errors.New("tether starts this by itself, to render charts in: it is not for people")
	}
	memory, err := strconv.ParseInt(args[0], 10, 64)
	if err != nil {
		return err
	}
	folder := ""
	if len(args) == 2 {
		folder = args[1]
	}
	lacks, err := confine(memory, folder)
	if err != nil {
		return fmt.Errorf("bound itself: %w", err)
	}
	return serve(newWire(os.Stdin, os.Stdout), lacks, os.Exit)
}

// serve does what it is told until nobody is there to tell it. What arrives is read
// on the side: so a worker ends with who started it even while a template loops.
func serve(w *message, lacks []string, exit func(int)) error {
	in := make(chan *request)
	go func() {
		for {
			r := &request{}
			if err := w.Receive(r, maxMessage); err != nil {
				exit(0)
				return
			}
			in <- r
		}
	}()
	if err := w.Send(&response{Resident: resident(), Lacks: lacks}, maxHello); err != nil {
		return err
	}
	var call uint64
	h := newHelm(func(q Question) ([]byte, error) {
		if err := w.Send(&response{Call: call, Question: &q}, maxShort); err != nil {
			return nil, err
		}
		r := <-in
		if r.AnswerError != "" {
			return nil, errors.New(r.AnswerError)
		}
		return r.Answer, nil
	})
	for r := range in {
		call = r.Call
		out := h.do(r)
		out.Call, out.Resident = call, resident()
		err := w.Send(out, r.Do.most())
		if errors.Is(err, wire.ErrTooLarge) {
			text := fmt.Sprintf("what comes of it takes more than %d MiB of memory: split the release", r.Do.most()>>20)
			err = w.Send(&response{Call: call, Error: text, Exceeded: true, Resident: resident()}, r.Do.most())
		}
		if err != nil {
			return err
		}
	}
	return nil
}
