// Command pages serves the status page over the sample's environments, for tests of it in a
// browser. It prints its address, and does what a line of its input says: "apply" has
// production come to the verdict applied, and "sign out" has nobody be let in any more.
//
// It does not know the agent: it runs the agent's pages on made-up data.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/xetys/tether/agent/api"
	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/agent/page"
	"github.com/xetys/tether/test/sample"
)

// token is let in by a gate of tokens.
const token = "a-token"

type gate struct{ closed atomic.Bool }

func (g *gate) Admits(r *http.Request, _ string) (int, string) {
	if g.closed.Load() || r.Header.Get("Authorization") != "Bearer "+token {
		return http.StatusUnauthorized, "the cluster does not know this token"
	}
	return http.StatusOK, ""
}

func main() {
	what := flag.String("sample", "few", "few, many or hostile")
	tokens := flag.Bool("tokens", false, "ask for a token, which is: "+token)
	flag.Parse()
	var reader *sample.Reader
	switch *what {
	case "many":
		reader = sample.Many(1000)
	case "hostile":
		reader = sample.Hostile(`<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>'"` + "`javascript:alert(1)")
	default:
		reader = sample.Few()
	}
	door := &gate{}
	pages := page.Pages{Reader: reader, Gate: api.Loopback{}, Now: func() time.Time { return sample.Now }, Log: slog.Default()}
	if *tokens {
		pages.Gate, pages.SignIn = door, true
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("http://" + l.Addr().String())
	go listen(reader, door)
	err = http.Serve(l, pages.Handler()) //nolint:gosec // it serves one test
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// listen does what its input says, and ends with it.
func listen(reader *sample.Reader, door *gate) {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		switch strings.TrimSpace(lines.Text()) {
		case "apply":
			reader.Change(func() {
				changed := *reader.All["production"]
				changed.Verdict, changed.Reason, changed.Applied, changed.BehindSince = ledger.Applied, "", changed.Head, time.Time{}
				reader.All["production"] = &changed
			})
		case "sign out":
			door.closed.Store(true)
			reader.Change(func() {})
		}
	}
	os.Exit(0)
}
