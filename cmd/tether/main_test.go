package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
)

func TestAWrongCallIsAUsageError(t *testing.T) {
	for _, c := range []struct {
		args string
		code int
		says string
	}{
		{"statsu", 2, `unknown command "statsu": did you mean status?; see tether --help`},
		{"nosuch", 2, `unknown command "nosuch"; see tether --help`},
		{"--nosuch", 2, "unknown flag: --nosuch"},
		{"status --nosuch", 2, "unknown flag: --nosuch; see tether status --help"},
		{"version extra", 2, "usage: tether version"},
		{"status a b", 2, "usage: tether status"},
		{"version -o nosuch", 2, "use table, json or yaml"},
		{"version", 0, "tether dev (go"},
		{"version -o json", 0, `"version": "dev"`},
		{"", 0, "Available Commands"},
		{"help status", 0, "Usage:"},
	} {
		var out bytes.Buffer
		if code := run(context.Background(), strings.Fields(c.args), &out, &out); code != c.code || !strings.Contains(out.String(), c.says) {
			t.Errorf("tether %s ends with %d: %s", c.args, code, out.String())
		}
	}
}
