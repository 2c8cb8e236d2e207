package main

import (
	"strings"
	"testing"
	"time"

	"github.com/xetys/tether/agent/status"
	"github.com/xetys/tether/render/absorb"
)

// Where a change comes from stands in its commit, whoever wrote the message.
func TestAMessageOfOnesOwnKeepsTheTrailers(t *testing.T) {
	out := &absorbed{Environment: "prod", Absorbed: []absorb.Field{
		{Object: "Deployment.apps shop/web", Path: "spec.replicas", Want: "1", Have: "3", Manager: "kubectl", Since: time.Date(2026, 11, 28, 3, 0, 0, 0, time.UTC)},
		{Object: "Deployment.apps shop/web", Path: "spec.paused", Want: "false", Have: "true", Manager: "kubectl", Since: time.Date(2026, 11, 28, 3, 0, 0, 0, time.UTC)},
	}}
	const from = "Absorbed-From: Deployment.apps shop/web, kubectl, 2026-11-28T03:00:00Z\n"
	if have, want := messageOf(out, "Scale up\n"), "Scale up\n\n"+from; have != want {
		t.Errorf("%q, want %q", have, want)
	}
	if have := messageOf(out, ""); !strings.HasPrefix(have, "prod: absorb Deployment.apps shop/web\n\n") || !strings.HasSuffix(have, "false -> true\n\n"+from) {
		t.Errorf("%q", have)
	}

	f := &promoteFlags{from: "staging", to: "prod"}
	f.message = "For the fair"
	well := []status.ReleaseStatus{{Name: "web", Commit: "abc"}, {Name: "api", Commit: "abc"}, {Name: "other", Commit: "def"}}
	if have, want := f.text(well, []change{{Release: "web"}, {Release: "api"}}), "For the fair\n\nPromoted-From: staging@abc\n"; have != want {
		t.Errorf("%q, want %q", have, want)
	}
}
