package e2e_test

import (
	"path/filepath"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/xetys/tether/test/hosts"
)

// registries are the scripts' registries, by their folders; scripts run side by side.
var registries sync.Map

func registryOf(dir string) *hosts.Registry {
	r, _ := registries.Load(dir)
	found, _ := r.(*hosts.Registry)
	return found
}

// registry starts a registry, or stops it and starts it again with what it has:
// registry start|stop. $REGISTRY is its host, and $SITE a folder with ca.pem and
// config.json, with which it can be read.
func registry(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 || args[0] != "start" && args[0] != "stop" {
		ts.Fatalf("usage: registry start|stop")
	}
	dir := ts.MkAbs("site")
	r := registryOf(dir)
	switch {
	case args[0] == "stop":
		r.Stop()
	case r != nil:
		ts.Check(r.Start())
	default:
		r, err := newSite(ts).Registry()
		ts.Check(err)
		ts.Defer(r.Stop)
		registries.Store(dir, r)
		ts.Setenv("REGISTRY", r.Host)
	}
}

// publish packs a chart and pushes it to the registry: publish FOLDER VERSION.
func publish(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: publish FOLDER VERSION")
	}
	out, err := output(ts, "helm", "package", args[0], "--version", args[1], "--destination", ts.MkAbs("packed"))
	if err != nil {
		ts.Fatalf("%s", out)
	}
	_, err = registryOf(ts.MkAbs("site")).Push(filepath.Join(ts.MkAbs("packed"), filepath.Base(args[0])+"-"+args[1]+".tgz"))
	ts.Check(err)
}
