package main

import (
	"context"
	"strings"
	"time"

	"github.com/xetys/tether/agent/ledger"
)

// ledgerWait is how long the cluster is waited for when it is asked on the side.
const ledgerWait = 3 * time.Second

// untold begins the sentence on why there is no ledger.
const untold = "verdicts are not told: "

// ledgerOf is the environment's ledger, or why there is none to be had.
func (s *shared) ledgerOf(ctx context.Context, environment string, from serverFlags) (*ledger.Ledger, string) {
	ctx, cancel := context.WithTimeout(ctx, ledgerWait)
	defer cancel()
	l, err := readLedger(ctx, s, environment, from)
	if err != nil {
		return nil, untold + strings.Join(strings.Fields(err.Error()), " ")
	}
	return l, ""
}

// readLedger returns an environment's whole ledger: of the server, or of the cluster.
func readLedger(ctx context.Context, s *shared, environment string, from serverFlags) (*ledger.Ledger, error) {
	if from.url != "" {
		server, err := from.client()
		if err != nil {
			return nil, err
		}
		return server.Ledger(ctx, environment, time.Time{})
	}
	c, err := s.cluster(environment)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return ledger.Read(ctx, c, s.namespace)
}
