package git_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/xetys/tether/source"
	"github.com/xetys/tether/source/git"
)

// A push that is announced while a fetch is under way may have come too late for
// it: another fetch follows.
func TestATriggerDuringAFetchBringsAnother(t *testing.T) {
	r := newRemote(t)
	r.commit("a", "1", "one")
	asked, goOn := make(chan struct{}), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if strings.HasSuffix(req.URL.Path, "/info/refs") {
			asked <- struct{}{}
			<-goOn
		}
		smartHTTP(t, r.bare, "").ServeHTTP(w, req)
	}))
	defer server.Close()
	poller, fetched := polls(t, git.Options{URL: server.URL + "/repo.git", Refs: main})
	<-asked
	poller.Trigger()
	poller.Trigger()
	goOn <- struct{}{}
	<-fetched
	<-asked
	goOn <- struct{}{}
	<-fetched
	select {
	case <-asked:
		t.Error("two triggers at once had it fetched twice")
	case <-time.After(200 * time.Millisecond): // nothing is to happen
	}
}

// While a repository is away polls get rare; a trigger has it tried at once.
func TestATriggerWhileTheRepositoryIsAwayIsHeard(t *testing.T) {
	r := newRemote(t)
	r.commit("a", "1", "one")
	var away atomic.Bool
	away.Store(true)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if away.Load() {
			http.Error(w, "later", http.StatusBadGateway)
			return
		}
		smartHTTP(t, r.bare, "").ServeHTTP(w, req)
	}))
	defer server.Close()
	poller, fetched := polls(t, git.Options{URL: server.URL + "/repo.git", Refs: main})
	for range 3 {
		if err := <-fetched; err == nil {
			t.Fatal("it was fetched while it was away")
		}
		poller.Trigger()
	}
	<-fetched
	away.Store(false)
	poller.Trigger()
	if err := <-fetched; err != nil {
		t.Error(err)
	}
}

// polls polls once an hour, and tells of each fetch.
func polls(t *testing.T, o git.Options) (*source.Poller, chan error) {
	t.Helper()
	fetched := make(chan error)
	poller := source.NewPoller(with(t, o))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		poller.Run(ctx, time.Hour, func(_ source.Heads, err error) { fetched <- err })
	}()
	t.Cleanup(func() { cancel(); <-ended })
	return poller, fetched
}
