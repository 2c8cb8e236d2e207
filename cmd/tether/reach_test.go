package main

import (
	"net/netip"
	"testing"
)

func TestWhatMayBeReached(t *testing.T) {
	for sentence, c := range map[string]struct {
		cluster string // where the API server is, inside of a cluster
		flag    reachFlag
		address string
		reached bool
	}{
		"beside a cluster the own machine is reached":   {"", nil, "127.0.0.1", true},
		"in a pod it is not":                            {"10.0.0.1", nil, "127.0.0.1", false},
		"unless a flag says so":                         {"10.0.0.1", reachFlag{"127.0.0.0/8"}, "127.0.0.1", true},
		"a cloud's metadata is reached from nowhere":    {"", nil, "169.254.169.254", false},
		"unless a flag says so, too":                    {"", reachFlag{"169.254.169.254/32"}, "169.254.169.254", true},
		"a Service of the cluster is reached from both": {"10.0.0.1", nil, "10.96.0.17", true},
	} {
		t.Setenv("KUBERNETES_SERVICE_HOST", c.cluster)
		rule, err := c.flag.rule()
		if err != nil {
			t.Fatal(err)
		}
		if refused := rule.Refuse(netip.MustParseAddr(c.address)); (refused == nil) != c.reached {
			t.Errorf("%s: %v", sentence, refused)
		}
	}
}
