package git_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/xetys/tether/source/git"
)

// relay passes on what a server says, up to so many bytes of each connection, and then
// nothing more, without hanging up.
type relay struct {
	net.Listener
	limit atomic.Int64
}

func newRelay(t *testing.T, to string) *relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{Listener: l}
	r.limit.Store(1 << 40)
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(func() { l.Close(); cancel() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				in.Close()
				return
			}
			go func() { _, _ = io.Copy(out, in); out.Close() }()
			go func() {
				defer in.Close()
				if n, err := io.Copy(in, io.LimitReader(out, r.limit.Load())); err == nil && n == r.limit.Load() {
					<-ctx.Done()
				}
			}()
		}
	}()
	return r
}

// A server that falls silent is given up, wherever it does, and what was there stays.
func TestAServerThatFallsSilentIsGivenUp(t *testing.T) {
	r := newRemote(t)
	noise := make([]byte, 300<<10)
	if _, err := rand.Read(noise); err != nil {
		t.Fatal(err)
	}
	r.commit("a", "1", "one")
	server := httptest.NewTLSServer(smartHTTP(t, r.bare, "s3cret"))
	t.Cleanup(server.Close)
	host, _ := newKey(t)
	client, private := newKey(t)
	web, ssh := newRelay(t, server.Listener.Addr().String()), newRelay(t, sshServer(t, r.bare, host, client.PublicKey()))
	for _, c := range []struct {
		name    string
		relay   *relay
		options git.Options
	}{
		{"https", web, git.Options{URL: "https://" + web.Addr().String() + "/repo.git", Auth: given(git.Auth{CA: certificate(server), Password: "s3cret"})}},
		{"ssh", ssh, git.Options{URL: "ssh://git@" + ssh.Addr().String() + "/repo.git",
			Auth: given(git.Auth{SSHKey: private, KnownHosts: []byte(knownhosts.Line([]string{ssh.Addr().String()}, host.PublicKey()) + "\n")})}},
	} {
		c.options.Refs, c.options.Silence = main, 300*time.Millisecond
		repo := with(t, c.options)
		fetch(t, repo, r.git(r.work, "rev-parse", "HEAD"))
		before := r.git(r.work, "rev-parse", "HEAD")
		second := r.commit("b", c.name+string(noise), "two")
		for _, limit := range []int64{0, 2500, 100 << 10} {
			t.Run(fmt.Sprintf("%s after %d bytes", c.name, limit), func(t *testing.T) {
				c.relay.limit.Store(limit)
				began := time.Now()
				_, err := again(t, c.options, repo).Fetch(context.Background())
				if err == nil || !strings.Contains(err.Error(), "the server sent nothing for 300ms in the middle of a fetch") {
					t.Errorf("%v", err)
				}
				if took := time.Since(began); took > 10*time.Second {
					t.Errorf("it took %s", took)
				}
				if last, err := repo.Last("main"); err != nil || last.SHA != before {
					t.Errorf("the last head is %.7s, %v", last.SHA, err)
				}
			})
		}
		c.relay.limit.Store(1 << 40)
		fetch(t, repo, second)
	}
}

// again opens the clone of a repository anew, with connections of its own.
func again(t *testing.T, o git.Options, repo *git.Repository) *git.Repository {
	t.Helper()
	o.Dir = git.Dir(repo)
	return newRepository(t, o)
}

// One that is slow, but sends something now and then, is waited for.
func TestAServerThatIsSlowIsWaitedFor(t *testing.T) {
	r := newRemote(t)
	head := r.commit("a", strings.Repeat("x", 1000), "one")
	server := httptest.NewServer(slowly(smartHTTP(t, r.bare, ""), 50*time.Millisecond))
	defer server.Close()
	began := time.Now()
	fetch(t, with(t, git.Options{URL: server.URL + "/repo.git", Refs: main, Silence: 500 * time.Millisecond}), head)
	if took := time.Since(began); took < time.Second {
		t.Errorf("it took %s only", took)
	}
}

// slowly has a handler's answers come in small pieces, with a pause before each.
func slowly(h http.Handler, pause time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		answer := httptest.NewRecorder()
		h.ServeHTTP(answer, req)
		w.Header().Set("Content-Type", answer.Header().Get("Content-Type"))
		w.WriteHeader(answer.Code)
		for rest := answer.Body.Bytes(); len(rest) > 0; rest = rest[min(len(rest), 20):] {
			<-time.After(pause)                       // the slowness itself
			_, _ = w.Write(rest[:min(len(rest), 20)]) // who hung up is seen at the other end
			w.(http.Flusher).Flush()
		}
	})
}
