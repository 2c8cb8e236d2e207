package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/xetys/tether/agent/ledger"
)

func newDora(s *shared) *cobra.Command {
	var since string
	var from serverFlags
	cmd := &cobra.Command{
		Use:   "dora ENVIRONMENT",
		Short: "The five metrics of dora.dev, from verdicts: how often, how fast, how well",
		Long: `Print the five metrics of software delivery that dora.dev defines, computed from the
verdicts in the environment's ledger: deployment frequency, change lead time, change
fail rate, failed deployment recovery time and rework rate. The agent's metrics have
the same numbers for the last 30 days.`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: s.completeEnvironments,
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.dora(cmd.Context(), cmd.OutOrStdout(), args[0], since, from)
		},
	}
	cmd.Flags().StringVar(&since, "since", "30d", "from when on: a duration like 24h or 30d, a day, or a time in RFC 3339")
	from.register(cmd.Flags())
	return cmd
}

// dora computes the metrics from the whole ledger, of the server too: the API's own answer
// goes back no further than a year, and a mended failure is known by what came before.
func (s *shared) dora(ctx context.Context, w io.Writer, environment, since string, server serverFlags) error {
	now := time.Now()
	from, err := parseSince(since, now)
	if err != nil {
		return err
	}
	l, err := readLedger(ctx, s, environment, server)
	if err != nil {
		return err
	}
	d := ledger.Deliver(environment, l.Entries, from, now)
	return s.print(w, d, func(w io.Writer) error { return tableOfDelivery(w, d) })
}

func tableOfDelivery(w io.Writer, d ledger.Delivery) error {
	fmt.Fprintf(w, "environment %s, from %s to %s\n", d.Environment, stamp(d.Since), stamp(d.Until))
	if !d.Complete {
		fmt.Fprintln(w, "note: the ledger does not reach back that far: earlier commits are not counted")
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "deployment frequency\t%.2f a day\t%s\n", d.DeploysPerDay, plural(d.Deployments, "deployment"))
	fmt.Fprintf(t, "change lead time\t%s\tmedian, from commit to healthy\n", secondsText(d.LeadTime))
	fmt.Fprintf(t, "change fail rate\t%.0f %%\t%d failed\n", 100*d.ChangeFailRate, d.Failed)
	fmt.Fprintf(t, "failed deployment recovery time\t%s\tmedian; %d not recovered\n", secondsText(d.RecoveryTime), d.Unrecovered)
	fmt.Fprintf(t, "rework rate\t%.0f %%\t%d to mend another\n", 100*d.ReworkRate, d.Rework)
	return t.Flush()
}

func secondsText(n *int64) string {
	if n == nil {
		return "-"
	}
	return (time.Duration(*n) * time.Second).String()
}
