package hosts

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
)

// Proxy passes every connection on to one address, whatever it is asked for: what
// arrives there did not come by itself.
type Proxy struct {
	// URL is its address.
	URL string
	// Connections is how many it passed on.
	Connections atomic.Int32
	to          string
	close       func()
}

// Close stops the proxy; connections that are open stay so.
func (p *Proxy) Close() { p.close() }

// HTTPProxy starts a proxy that is asked by CONNECT.
func HTTPProxy(to string) *Proxy {
	p := &Proxy{to: to}
	server := httptest.NewServer(p)
	p.URL, p.close = server.URL, server.Close
	return p
}

// ServeHTTP answers one CONNECT of a client of HTTPProxy.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.Method != http.MethodConnect {
		http.Error(w, "CONNECT only", http.StatusMethodNotAllowed)
		return
	}
	out, err := net.Dial("tcp", p.to)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		out.Close()
		return
	}
	p.Connections.Add(1)
	fmt.Fprint(conn, "HTTP/1.1 200 Connection established\r\n\r\n")
	relay(conn, out)
}

// relay copies both ways until one side ends.
func relay(a, b net.Conn) {
	var once sync.Once
	end := func() { once.Do(func() { a.Close(); b.Close() }) }
	go func() { defer end(); _, _ = io.Copy(a, b) }()
	go func() { defer end(); _, _ = io.Copy(b, a) }()
}

// SOCKSProxy starts a proxy of SOCKS 5 (RFC 1928) without authentication.
func SOCKSProxy(to string) (*Proxy, error) {
	p := &Proxy{to: to}
	l, err := listen(func(conn net.Conn) {
		if p.socks(conn) != nil {
			conn.Close()
		}
	})
	if err != nil {
		return nil, err
	}
	p.URL, p.close = "socks5://"+l.Addr().String(), func() { l.Close() }
	return p, nil
}

func (p *Proxy) socks(conn net.Conn) error {
	hello := make([]byte, 2)
	if _, err := io.ReadFull(conn, hello); err != nil {
		return err
	}
	if _, err := io.CopyN(io.Discard, conn, int64(hello[1])); err != nil {
		return err
	}
	if _, err := conn.Write([]byte{5, 0}); err != nil {
		return err
	}
	request := make([]byte, 5) // version, command, reserved, kind of address, length of the name or its first byte
	if _, err := io.ReadFull(conn, request); err != nil {
		return err
	}
	left := int64(request[4]) + 2
	if request[3] == 1 {
		left = 3 + 2
	}
	if _, err := io.CopyN(io.Discard, conn, left); err != nil {
		return err
	}
	out, err := net.Dial("tcp", p.to)
	if err != nil {
		return err
	}
	if _, err := conn.Write(binary.BigEndian.AppendUint16([]byte{5, 0, 0, 1, 127, 0, 0, 1}, 1)); err != nil {
		out.Close()
		return err
	}
	p.Connections.Add(1)
	relay(conn, out)
	return nil
}
