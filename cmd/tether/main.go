// Command tether keeps a Kubernetes cluster tied to a git repository.
//
// It knows flags, wiring, signals and exit codes, and nothing of how the work is
// done: that is in the packages beside it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"strings"
	"syscall"
	_ "time/tzdata" // deploy windows name time zones, and the image has none

	"github.com/spf13/cobra"

	"github.com/xetys/tether/render/worker"
	"github.com/xetys/tether/source/printable"
)

func main() {
	worker.Main()
	log.SetOutput(io.Discard) // Helm's and others' asides; what matters reaches us as errors
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is main without the process: it returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	if !errors.Is(err, errDifferences) && !errors.Is(err, errUnhealthy) && !errors.Is(err, errInProgress) { // which were printed
		fmt.Fprintf(printable.Writer(stderr), "tether: %v\n", err)
	}
	return exitCode(err)
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "tether",
		Short: "Keep a Kubernetes cluster tied to a git repository",
		Long: `Tether keeps a Kubernetes cluster tied to a git repository: it polls the
repository, renders the Helm charts of each environment, applies them with
server-side apply in dependency order, waits for health, puts drift back, and
treats a git revert as a rollback.

Every flag can be given as an environment variable too: --log-level as
TETHER_LOG_LEVEL. A flag wins over its variable.

Exit codes: 0 fine; 1 it failed, or (diff) there are differences; 2 bad usage or a refused repository; 3 time-out, or (health) in progress.`,
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			text := fmt.Sprintf("unknown command %q", args[0])
			if like := cmd.SuggestionsFor(args[0]); len(like) > 0 {
				text += fmt.Sprintf(": did you mean %s?", strings.Join(like, ", "))
			}
			return usageError{fmt.Errorf("%s; see %s --help", text, cmd.CommandPath())}
		},
		RunE:                       func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		SuggestionsMinimumDistance: 2,
		PersistentPreRunE:          func(cmd *cobra.Command, _ []string) error { return fromEnv(cmd) },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w; see %s --help", err, cmd.CommandPath())}
	})
	var s shared
	s.register(root)
	root.AddCommand(newAgent(&s), newValidate(&s), newRender(&s), newRBAC(&s), newDiff(&s), newBlame(&s), newWhy(&s), newStatus(&s), newHistory(&s), newDora(&s), newWait(&s), newHealth(&s), newSync(&s), newPause(&s), newResume(&s), newSetImage(&s), newPromote(&s), newAbsorb(&s), newAdopt(&s), newNotify(), newDemo(&s), newVersion(&s))
	for _, c := range root.Commands() {
		checkArgs(c)
	}
	return root
}

// checkArgs makes a wrong number of arguments a usage error.
func checkArgs(c *cobra.Command) {
	check := c.Args
	if check == nil {
		return
	}
	c.Args = func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usageError{fmt.Errorf("%w; usage: %s", err, cmd.UseLine())}
		}
		return nil
	}
}
