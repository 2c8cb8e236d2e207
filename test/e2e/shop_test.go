package e2e_test

import (
	"os"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/xetys/tether/test/hosts"
)

// shops are the scripts' chart repositories, by their folders.
var shops sync.Map

// shop serves the folder shop as a chart repository until the script ends, as
// https://$SHOP, with a certificate of $SITE/ca.pem, to who has the login of ann; has
// it answer 503 to everything, or as before; or indexes what is in the folder: shop
// start|away|back|index.
func shop(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: shop start|away|back|index")
	}
	dir := ts.MkAbs("shop")
	found, _ := shops.Load(dir)
	open, _ := found.(*hosts.Repository)
	switch args[0] {
	case "start":
		ts.Check(os.MkdirAll(dir, 0o700))
		r := newSite(ts).Repository(dir)
		ts.Defer(r.Close)
		shops.Store(dir, r)
		ts.Setenv("SHOP", r.Host)
	case "away":
		open.Status.Store(503)
	case "back":
		open.Status.Store(0)
	case "index":
		out, err := output(ts, "helm", "repo", "index", dir)
		if err != nil {
			ts.Fatalf("%s", out)
		}
	default:
		ts.Fatalf("usage: shop start|away|back|index")
	}
}
