package kube

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"
)

// held takes turns until none is left, and returns how many it got.
func held(t *testing.T, p *Queue) (n int, release func()) {
	t.Helper()
	var ends []func()
	for {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errBusy) // who has to wait gives up at once
		end, err := p.Acquire(ctx)
		if err != nil {
			return len(ends), func() {
				for _, end := range ends {
					end()
				}
			}
		}
		ends = append(ends, end)
	}
}

var errBusy = errors.New("no turn")

func TestPaceHalvesWhenThereIsTooMuchAndGrowsAgain(t *testing.T) {
	p := NewPace(8, nil)
	q := p.queue()
	now := time.Now()
	slots := func() int {
		t.Helper()
		n, release := held(t, q)
		release()
		return n
	}
	if n := slots(); n != 8 {
		t.Fatalf("it begins with %d requests at once, not 8", n)
	}
	for i, want := range []int{4, 2, 1, 1} {
		now = now.Add(between)
		p.answered(http.StatusTooManyRequests, now)
		p.answered(http.StatusTooManyRequests, now) // sent before it was halved
		if n := slots(); n != want {
			t.Errorf("after %d times too many: %d at once, not %d", i+1, n, want)
		}
	}
	for want := 2; want <= 8; want++ {
		for range want - 1 { // a round that goes well
			p.answered(http.StatusOK, now)
		}
		if n := slots(); n != want {
			t.Errorf("%d at once, not %d", n, want)
		}
	}
	for range 100 {
		p.answered(http.StatusOK, now)
	}
	if n := slots(); n != 8 {
		t.Errorf("it grew beyond its bound: %d", n)
	}
}

func TestPaceLetsInWhoWaitsInOrder(t *testing.T) {
	p := NewPace(1, nil).queue()
	end, err := p.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	gone, leave := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := p.Acquire(gone); err == nil {
			t.Error("who left got a turn")
		}
	})
	leave()
	wg.Wait()
	got := make(chan func())
	go func() {
		end, err := p.Acquire(context.WithoutCancel(gone))
		if err != nil {
			t.Error(err)
		}
		got <- end
	}()
	end()
	(<-got)()
	if n, _ := held(t, p); n != 1 {
		t.Errorf("a turn was lost or doubled: %d", n)
	}
}

func TestPaceLetsEachQueueHaveItsTurn(t *testing.T) {
	p := NewPace(1, nil)
	crowd, one := p.queue(), p.queue()
	end, err := crowd.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	order := make(chan string, 101)
	var wg sync.WaitGroup
	wait := func(q *Queue, name string) {
		wg.Go(func() {
			end, err := q.Acquire(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			order <- name
			end()
		})
	}
	waiting := func(q *Queue) int {
		p.mu.Lock()
		defer p.mu.Unlock()
		return len(q.waiting)
	}
	for range 100 {
		wait(crowd, "crowd")
	}
	wait(one, "one")
	for waiting(crowd) < 100 || waiting(one) < 1 {
		time.Sleep(time.Millisecond) // between two looks at a condition
	}
	end()
	wg.Wait()
	close(order)
	n := 0
	for name := range order {
		if n++; name == "one" {
			break
		}
	}
	if n > 2 {
		t.Errorf("the only one of its queue came as number %d", n)
	}
}
