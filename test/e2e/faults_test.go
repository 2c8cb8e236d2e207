package e2e_test

import (
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/xetys/tether/test/faults"
)

// proxies are the scripts' fault proxies, by their kubeconfigs.
var proxies sync.Map

// startFaults starts a proxy in front of the API server: $FAULTS is a kubeconfig that
// points at it, with the rights of $KUBECONFIG. Usage: faults
func startFaults(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: faults")
	}
	p, err := faults.Start(ts.Getenv("KUBECONFIG"))
	ts.Check(err)
	ts.Defer(p.Close)
	file := ts.MkAbs("faults.kubeconfig")
	ts.Check(p.Kubeconfig(file))
	proxies.Store(file, p)
	ts.Setenv("FAULTS", file)
}

func proxyOf(ts *testscript.TestScript) *faults.Proxy {
	found, _ := proxies.Load(ts.Getenv("FAULTS"))
	p, ok := found.(*faults.Proxy)
	if !ok {
		ts.Fatalf("there is no proxy: type faults before")
	}
	return p
}

// fault puts a rule of faults.ParseRule in force, removes it (without a name: all),
// resets all connections, or waits until a rule has struck (once, or so often):
//
//	fault add NAME KEY=VALUE…
//	fault clear [NAME…]
//	fault cut
//	fault struck NAME [TIMES]
func fault(ts *testscript.TestScript, neg bool, args []string) {
	const usage = "usage: fault add NAME KEY=VALUE… | clear [NAME…] | cut | struck NAME [TIMES]"
	if neg || len(args) == 0 {
		ts.Fatalf(usage)
	}
	p := proxyOf(ts)
	switch {
	case args[0] == "add" && len(args) > 2:
		r, err := faults.ParseRule(args[1], args[2:])
		ts.Check(err)
		ts.Check(p.Add(r))
	case args[0] == "clear":
		p.Clear(args[1:]...)
	case args[0] == "cut":
		p.Cut()
	case args[0] == "struck" && len(args) > 1:
		want := 1
		if len(args) > 2 {
			var err error
			want, err = strconv.Atoi(args[2])
			ts.Check(err)
		}
		eventually(ts, func() string {
			if have := p.Struck(args[1]); have < want {
				return fmt.Sprintf("fault %s struck %d times, want %d: it struck none of\n%s", args[1], have, want, lines(p.Requests(faults.Match{Verbs: []string{"write"}})))
			}
			return ""
		})
	default:
		ts.Fatalf(usage)
	}
}

// askedFor prints what was asked for through the proxy since it was started, or since
// "requests forget", and matches; and holds it to a number, or to at most so many:
//
//	requests [N | ..N] [KEY=VALUE…]
//	requests forget
func askedFor(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("usage: requests [N | ..N] [KEY=VALUE…] | forget")
	}
	p := proxyOf(ts)
	if len(args) == 1 && args[0] == "forget" {
		p.Forget()
		return
	}
	limit := ""
	if len(args) > 0 && !strings.Contains(args[0], "=") {
		limit, args = args[0], args[1:]
	}
	m, err := faults.ParseMatch(args)
	ts.Check(err)
	found := p.Requests(m)
	fmt.Fprint(ts.Stdout(), lines(found))
	if limit == "" {
		return
	}
	most, open := strings.CutPrefix(limit, "..")
	n, err := strconv.Atoi(most)
	ts.Check(err)
	if len(found) > n || !open && len(found) < n {
		ts.Fatalf("%d requests match %v, want %s:\n%s", len(found), args, limit, lines(found))
	}
}

func lines(list []faults.Request) string {
	var b strings.Builder
	for _, r := range list {
		fmt.Fprintln(&b, r)
	}
	return b.String()
}
