package web

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// stranger opens a connection and sends what is given.
func stranger(t *testing.T, address, text string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	return conn
}

// gone waits until the other side has closed a connection, whatever it says first.
func gone(t *testing.T, conn net.Conn) {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Error(err)
	}
	var late net.Error
	if _, err := io.Copy(io.Discard, conn); errors.As(err, &late) && late.Timeout() {
		t.Error("the connection stays open")
	}
}

// probe asks once, on a connection of its own.
func probe(address string) error {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
	resp, err := client.Get("http://" + address + "/healthz")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	return nil
}

// slowly is a webhook with a signature that could be right, and the first byte of a
// body of 1,000.
const slowly = "POST /webhook HTTP/1.1\r\nHost: a\r\nX-GitHub-Event: push\r\nX-Hub-Signature-256: sha256=" +
	"0000000000000000000000000000000000000000000000000000000000000000\r\nContent-Length: 1000\r\n\r\n{"

// Slow bodies of anybody's hold up no push that is signed, though all come from one address.
func TestSlowBodiesDelayNoSignedPush(t *testing.T) {
	h, at, fetches := hooked(t)
	address := strings.TrimSuffix(strings.TrimPrefix(at, "http://"), "/webhook")
	var madeRoom atomic.Int64
	for range maxReadings + 8 {
		conn := stranger(t, address, slowly)
		go func() {
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				return // it was cut off, or the test has ended
			}
			if resp.Body.Close(); resp.StatusCode == http.StatusServiceUnavailable {
				madeRoom.Add(1)
			}
		}()
	}
	eventually(t, func() bool { return testutil.ToFloat64(h.received.WithLabelValues("github", hookInvalid)) == 8 })
	const body = `{"ref": "refs/heads/main"}`
	start := time.Now()
	code, text := send(t, at, body, map[string]string{"X-Hub-Signature-256": "sha256=" + mac(body), "X-GitHub-Event": "push"})
	if took := time.Since(start); code != http.StatusAccepted || took > webhookTimeout/2 {
		t.Errorf("a signed push: %d %s after %s", code, text, took)
	}
	eventually(t, func() bool { return fetches.Load() == 1 })
	eventually(t, func() bool { return madeRoom.Load() >= 8 })
}

// What could not be right is refused before its body is waited for.
func TestAProofThatCannotBeRightIsRefusedAtOnce(t *testing.T) {
	_, at, _ := hooked(t)
	address := strings.TrimSuffix(strings.TrimPrefix(at, "http://"), "/webhook")
	for _, header := range []string{"X-Hub-Signature-256: sha256=00", "X-Gitlab-Token: guess", "X-Gitea-Signature: zz", "X-Other: none"} {
		conn := stranger(t, address, "POST /webhook HTTP/1.1\r\nHost: a\r\n"+header+"\r\nContent-Length: 1000\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		if resp.Body.Close(); resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: %s", header, resp.Status)
		}
	}
}

// Of readings that are too many, those of the sender that has the most make room.
func TestReadingsAreBoundedBySender(t *testing.T) {
	var r readings
	var stopped []string
	begin := func(address string) func() bool {
		return r.begin(address, func() { stopped = append(stopped, address) })
	}
	ends := []func() bool{begin("192.0.2.1:1")}
	for i := range maxReadings + 3 {
		ends = append(ends, begin(fmt.Sprintf("[2001:db8::%x]:80", i+1)))
	}
	if want := []string{"[2001:db8::1]:80", "[2001:db8::2]:80", "[2001:db8::3]:80", "[2001:db8::4]:80"}; !slices.Equal(stopped, want) {
		t.Errorf("stopped: %s", stopped)
	}
	for i, end := range ends {
		if was := end(); was != (i >= 1 && i <= 4) {
			t.Errorf("reading %d was stopped: %t", i, was)
		}
	}
	if len(r.open) != 0 {
		t.Errorf("%d are left", len(r.open))
	}
}

// Thousands of signed events have the repository fetched a few times, and at least
// once after the last.
func TestSignedEventsAreFolded(t *testing.T) {
	h, at, _ := hooked(t)
	var mu sync.Mutex
	var runs []time.Time
	h.pushes.run = func(context.Context, string) {
		mu.Lock()
		defer mu.Unlock()
		runs = append(runs, time.Now())
	}
	signed := map[string]string{"X-Signature-256": "sha256=" + mac("look")}
	start := time.Now()
	var last time.Time
	for range 2000 {
		last = time.Now()
		if code, text := send(t, at, "look", signed); code != http.StatusAccepted {
			t.Fatalf("%d %s", code, text)
		}
	}
	eventually(t, func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(runs) > 0 && runs[len(runs)-1].After(last)
	})
	mu.Lock()
	defer mu.Unlock()
	if most := int(time.Since(start)/pushPause) + 1; len(runs) > most {
		t.Errorf("%d fetches in %s; want %d at the most", len(runs), time.Since(start), most)
	}
	if runs[0].Sub(start) > pushPause {
		t.Errorf("the first came after %s", runs[0].Sub(start))
	}
}

// A delivery that was taken is known again, by its id and where bodies differ by
// the body too.
func TestAReplayIsRecognised(t *testing.T) {
	const body, next = `{"ref": "refs/heads/main"}`, `{"ref": "refs/heads/main", "after": "2"}`
	type headers = map[string]string
	github := func(body, id string) headers {
		return headers{"X-Hub-Signature-256": "sha256=" + mac(body), "X-GitHub-Event": "push", "X-GitHub-Delivery": id}
	}
	gitlab := func(id string) headers {
		return headers{"X-Gitlab-Token": hookSecret, "X-Gitlab-Event": "Push Hook", "X-Gitlab-Event-UUID": id}
	}
	bitbucket := func(id string) headers {
		return headers{"X-Hub-Signature": "sha256=" + mac(body), "X-Event-Key": "repo:push", "X-Request-UUID": id}
	}
	gitea := func(id string) headers {
		return headers{"X-Gitea-Signature": mac(body), "X-Gitea-Event": "push", "X-Gitea-Delivery": id}
	}
	plain := headers{"X-Signature-256": "sha256=" + mac(body)}
	h, at, _ := hooked(t)
	for i, c := range []struct {
		body    string
		headers headers
		code    int
	}{
		{body, github(body, "1"), 202}, {body, github(body, "1"), 200}, {body, github(body, "2"), 200}, {next, github(next, "3"), 202},
		{body, gitlab("1"), 202}, {body, gitlab("1"), 200}, {next, gitlab("1"), 202}, {body, gitlab("2"), 202},
		{body, bitbucket("1"), 202}, {body, bitbucket("1"), 200}, {body, gitea("1"), 202}, {body, gitea("2"), 200},
		{body, plain, 202}, {body, plain, 202},
	} {
		if code, text := send(t, at, c.body, c.headers); code != c.code {
			t.Errorf("%d: %d %s; want %d", i, code, text, c.code)
		}
	}
	if n := testutil.ToFloat64(h.received.WithLabelValues("github", hookRepeated)); n != 2 {
		t.Errorf("%g repeated ones of GitHub are counted", n)
	}
}

func TestDeliveriesAreForgottenInOrder(t *testing.T) {
	var d deliveries
	for i := range maxDeliveries + 1 {
		if !d.first(fmt.Sprint(i)) {
			t.Fatalf("%d is known", i)
		}
	}
	if len(d.known) != maxDeliveries || len(d.order) != maxDeliveries {
		t.Errorf("%d are known, %d in order", len(d.known), len(d.order))
	}
	if !d.first("0") || d.first(fmt.Sprint(maxDeliveries)) {
		t.Error("what is forgotten is not the oldest")
	}
}

// Whoever holds every connection, idle, silent or in the middle of a request, keeps
// no probe out, and has no more of them than there are to be.
func TestConnectionsAreBounded(t *testing.T) {
	const limit = 32
	for _, c := range []struct{ name, text string }{
		{"kept alive", "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"},
		{"silent", ""},
		{"in the middle of the headers", "GET /healthz HTTP/1.1\r\nHost"},
		{"in the middle of a body", slowly},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, _, _ := hooked(t)
			mux := http.NewServeMux()
			mux.Handle("/webhook", h)
			mux.HandleFunc("GET /healthz", answer(func() error { return nil }))
			address := served(t, mux, limit)
			var held []net.Conn
			for i := range 400 {
				conn := stranger(t, address, c.text)
				held = append(held, conn)
				if c.name == "kept alive" {
					if _, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil {
						t.Fatal(err)
					}
				}
				if i%50 == 0 {
					if err := probe(address); err != nil {
						t.Fatalf("after %d: %v", i+1, err)
					}
				}
			}
			if err := probe(address); err != nil {
				t.Fatal(err)
			}
			var closed atomic.Int64
			for _, conn := range held {
				go func() {
					_, _ = io.Copy(io.Discard, conn) // the other side closes it, or the test's end does
					closed.Add(1)
				}()
			}
			eventually(t, func() bool { return closed.Load() >= 400-limit })
		})
	}
}

func TestLongHeadersAreRefused(t *testing.T) {
	h, at, _ := hooked(t)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, at, strings.NewReader("look"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Signature-256", "sha256="+mac("look"))
	req.Header.Set("X-Other", strings.Repeat("0", 64<<10))
	resp, err := http.DefaultClient.Do(req) // it may be cut off while it sends
	if err == nil {
		resp.Body.Close()
	}
	if err == nil && resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge || receivedBy(t, h) != 0 {
		t.Errorf("%v, %v", resp, err)
	}
}

// Who says nothing for a while is cut off.
func TestSilenceEndsAConnection(t *testing.T) {
	t.Parallel()
	_, at, _ := hooked(t)
	address := strings.TrimSuffix(strings.TrimPrefix(at, "http://"), "/webhook")
	var wg sync.WaitGroup
	for _, text := range []string{"", "GET /healthz HTTP/1.1\r\n", slowly, "GET /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n"} {
		conn, start := stranger(t, address, text), time.Now()
		wg.Go(func() {
			gone(t, conn)
			if took := time.Since(start); took > requestTimeout+10*time.Second {
				t.Errorf("%q: after %s", strings.TrimSpace(text), took)
			}
		})
	}
	wg.Wait()
}

func TestConnectionsLeaveDescriptorsToOthers(t *testing.T) {
	for descriptors, want := range map[uint64]int{16: 8, 64: 16, 1024: 128, 1 << 40: 128} {
		if have := connectionsFor(descriptors); have != want {
			t.Errorf("of %d descriptors %d are for connections; want %d", descriptors, have, want)
		}
	}
}
