package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/agent/reads"
	"github.com/xetys/tether/agent/status"
	"github.com/xetys/tether/apply"
	"github.com/xetys/tether/source/printable"
)

// caller names who asks, for the record: no proof of it.
func caller() string {
	name := "somebody"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if host, err := os.Hostname(); err == nil {
		name += "@" + host
	}
	return name
}

func newPause(s *shared) *cobra.Command {
	var lasts time.Duration
	var reason, by string
	cmd := &cobra.Command{
		Use:   "pause ENVIRONMENT [RELEASE] --for DURATION",
		Short: "Stop changing an environment, or one release of it, for a while",
		Long: `Pause an environment, or one release of it: nothing is deployed, rolled back,
uninstalled or put back until the time is over or somebody resumes it. Drift is
still reported. A rollout under way stops where it is, and goes on afterwards.

The pause stands in a ConfigMap beside the ledger, so it holds across restarts of
the agent; to pause again replaces it.`,
		Example:           `  tether pause production --for 2h --reason "incident 42"`,
		Args:              cobra.RangeArgs(1, 2),
		ValidArgsFunction: s.completeEnvironments,
		RunE: func(cmd *cobra.Command, args []string) error {
			if lasts <= 0 {
				return usageError{errors.New("--for is missing: say for how long, like --for 2h; a pause ends by itself")}
			}
			now := time.Now().UTC().Truncate(time.Second)
			p := ledger.Pause{By: by, Reason: reason, Since: now, Until: now.Add(lasts).Truncate(time.Second)}
			if len(args) == 2 {
				p.Release = args[1]
			}
			c, err := s.cluster(args[0])
			if err != nil {
				return err
			}
			if err := ledger.AskPause(cmd.Context(), c, s.namespace, p); err != nil {
				return err
			}
			return s.print(cmd.OutOrStdout(), p, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "%s %s\n", strings.Join(args, "/"), p)
				return err
			})
		},
	}
	cmd.Flags().DurationVar(&lasts, "for", 0, "how long, like 30m or 2h")
	cmd.Flags().StringVar(&reason, "reason", "", "why, for whoever asks why nothing is deployed")
	cmd.Flags().StringVar(&by, "by", caller(), "who pauses it")
	return cmd
}

func newResume(s *shared) *cobra.Command {
	var by string
	cmd := &cobra.Command{
		Use:               "resume ENVIRONMENT [RELEASE]",
		Short:             "End a pause",
		Long:              `End the pause of an environment, or of one release of it. What was held goes on at once.`,
		Args:              cobra.RangeArgs(1, 2),
		ValidArgsFunction: s.completeEnvironments,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := s.cluster(args[0])
			if err != nil {
				return err
			}
			release := ""
			if len(args) == 2 {
				release = args[1]
			}
			if err := ledger.AskResume(cmd.Context(), c, s.namespace, release, by, time.Now()); err != nil {
				return fmt.Errorf("resume %s: %w", strings.Join(args, "/"), err)
			}
			resumed := struct {
				Environment string `json:"environment"`
				Release     string `json:"release,omitempty"`
			}{args[0], release}
			return s.print(cmd.OutOrStdout(), resumed, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "%s resumed\n", strings.Join(args, "/"))
				return err
			})
		},
	}
	cmd.Flags().StringVar(&by, "by", caller(), "who resumes it")
	return cmd
}

func newSync(s *shared) *cobra.Command {
	var r ledger.SyncRequest
	cmd := &cobra.Command{
		Use:   "sync ENVIRONMENT",
		Short: "Fetch and look now; try again what failed; confirm what is to be deleted",
		Long: `Have the agent fetch the repository and look at the environment now, without
waiting for the interval. It does not wait for the outcome: tether wait does.

With --retry, releases whose inputs failed before are tried again with the same
inputs. With --confirm, the deletions of the head are confirmed that were held as
too many, and that releases are taken over which belong to an environment that is
no more.`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: s.completeEnvironments,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := s.cluster(args[0])
			if err != nil {
				return err
			}
			head, err := ledger.AskSync(cmd.Context(), c, s.namespace, r, time.Now())
			if err != nil {
				return err
			}
			if err := s.warn(cmd.Context(), cmd, c, args[0], false); err != nil {
				return err
			}
			if head != nil {
				head = head.Public()
			}
			return s.print(cmd.OutOrStdout(), head, func(w io.Writer) error {
				if head == nil {
					_, err := fmt.Fprintf(w, "%s: asked for\n", args[0])
					return err
				}
				_, err := fmt.Fprintf(w, "%s: asked for; its head was %.7s (%s)\n", args[0], head.Commit.Commit, head.Verdict)
				return err
			})
		},
	}
	cmd.Flags().BoolVar(&r.Retry, "retry", false, "try again what failed, with the same inputs")
	cmd.Flags().StringVar(&r.Confirm, "confirm", "", "confirm the deletions of this commit, the environment's head, and what it takes over")
	cmd.Flags().StringVar(&r.By, "by", caller(), "who asks")
	return cmd
}

func newWait(s *shared) *cobra.Command {
	var timeout time.Duration
	var from serverFlags
	cmd := &cobra.Command{
		Use:   "wait ENVIRONMENT COMMIT",
		Short: "Wait until a commit is live, or failed",
		Long: `Wait until a commit is live in an environment: for a CI job after a merge. A
commit that a newer one took the place of is as live as that one.

Exit codes: 0 it is live; 1 it failed, went back or was refused; 3 the time is over.`,
		Example:           `  tether wait production "$(git rev-parse HEAD)" --timeout 15m`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: s.completeEnvironments,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args[1]) < 7 {
				return usageError{fmt.Errorf("commit %q: give seven characters of it at least", args[1])}
			}
			return s.wait(cmd, args[0], args[1], timeout, from)
		},
	}
	cmd.Flags().DurationVar(&timeout, "timeout", 10*time.Minute, "how long to wait")
	from.register(cmd.Flags())
	return cmd
}

// warn says at once that no agent leads the environment: what is asked or waited for
// then takes until one does. With known, an environment that no agent ever knew is an
// error: its name is likely to be wrong.
func (s *shared) warn(ctx context.Context, cmd *cobra.Command, c *apply.Cluster, environment string, known bool) error {
	if _, err := c.Ping(ctx); err != nil {
		return nil // what follows says so
	}
	leader, err := status.ReadLeader(ctx, c, s.namespace, environment, time.Now())
	if err != nil {
		return err
	}
	if known && !leader.Alive {
		if _, err := ledger.Read(ctx, c, s.namespace); err != nil {
			return err
		}
	}
	if trouble := leader.Trouble(environment); trouble != "" {
		fmt.Fprintf(printable.Writer(cmd.ErrOrStderr()), "! %s\n", trouble)
	}
	return nil
}

// notLiveError says that a commit's verdict is not the one that was waited for.
type notLiveError struct{ *ledger.Entry }

func (n notLiveError) Error() string {
	text := fmt.Sprintf("%.7s is %s", n.Commit.Commit, n.Verdict)
	if n.Reason != "" {
		text += ": " + n.Reason
	}
	return text
}

// timeoutError says what there is when the time is over.
type timeoutError struct{ text string }

func (t timeoutError) Error() string { return t.text }

func (timeoutError) Is(target error) bool { return target == context.DeadlineExceeded }

// progressOf tells what is waited for: in one line that changes in place on a terminal, in
// a line for each change elsewhere. done ends that.
func progressOf(ctx context.Context, w io.Writer) (tell func(string), done func()) {
	line := newLiveLine(w)
	if line == nil {
		return func(text string) { fmt.Fprintln(printable.Writer(w), text) }, func() {}
	}
	go line.run(ctx)
	return line.set, func() { line.set("") }
}

// waiter returns when a commit has come to its verdict, and tells what is known meanwhile.
type waiter func(ctx context.Context, commit string, progress func(*ledger.Entry)) (*ledger.Entry, error)

// waiter waits on the server, or on the cluster. That nobody leads the environment is said
// at once.
func (s *shared) waiter(ctx context.Context, cmd *cobra.Command, environment string, from serverFlags) (waiter, error) {
	if from.url != "" {
		server, err := from.client()
		if err != nil {
			return nil, err
		}
		return func(ctx context.Context, commit string, progress func(*ledger.Entry)) (*ledger.Entry, error) {
			return server.Wait(ctx, environment, commit, progress)
		}, saidBy(ctx, cmd, server, environment)
	}
	c, err := s.cluster(environment)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, commit string, progress func(*ledger.Entry)) (*ledger.Entry, error) {
		return ledger.Wait(ctx, c, s.namespace, commit, progress)
	}, s.warn(ctx, cmd, c, environment, true)
}

// saidBy says that nobody leads the environment, as the agent that is asked knows it; one
// that it does not keep is an error.
func saidBy(ctx context.Context, cmd *cobra.Command, server *reads.Client, environment string) error {
	st, err := server.Status(ctx, environment)
	if err != nil {
		return err
	}
	if trouble := st.Agent.Trouble(environment); trouble != "" {
		fmt.Fprintf(printable.Writer(cmd.ErrOrStderr()), "! %s\n", trouble)
	}
	return nil
}

func (s *shared) wait(cmd *cobra.Command, environment, commit string, timeout time.Duration, from serverFlags) error {
	ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
	defer cancel()
	until, err := s.waiter(ctx, cmd, environment, from)
	if err != nil {
		return err
	}
	last := ""
	tell, done := progressOf(ctx, cmd.ErrOrStderr())
	entry, err := until(ctx, commit, func(e *ledger.Entry) {
		text := fmt.Sprintf("%.7s has not been seen in %s yet", commit, environment)
		if e != nil {
			text = notLiveError{e}.Error()
		}
		if text != last {
			tell(text)
			last = text
		}
	})
	done()
	if errors.Is(err, context.DeadlineExceeded) {
		return timeoutError{fmt.Sprintf("not live after %s: %s", timeout, cmp.Or(last, "the cluster does not answer"))}
	}
	if err != nil {
		return err
	}
	if err := s.print(cmd.OutOrStdout(), entry.Public(), func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%.7s %s in %s: %s\n", entry.Commit.Commit, entry.Verdict, environment, entry.Subject)
		return err
	}); err != nil {
		return err
	}
	if !entry.Verdict.Live() {
		return notLiveError{entry}
	}
	return nil
}
