package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/xetys/tether/agent/notify"
)

// maxNotifications bounds the file that says who is told what.
const maxNotifications = 1 << 20

// notifications reads who is told what; nil without a file.
func notifications(path string) (*notify.Config, error) {
	if path == "" {
		return nil, nil
	}
	f, err := os.Open(path)
	if err != nil {
		var pe *fs.PathError
		if errors.As(err, &pe) {
			err = pe.Err
		}
		return nil, usageError{fmt.Errorf("--notifications %s: %w", path, err)}
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxNotifications))
	if err != nil {
		return nil, usageError{fmt.Errorf("--notifications %s: %w", path, err)}
	}
	c, err := notify.Parse(raw)
	if err != nil {
		return nil, usageError{fmt.Errorf("--notifications %s: %w", path, err)}
	}
	return c, nil
}

func newNotify() *cobra.Command {
	cmd := &cobra.Command{Use: "notify", Short: "Try the sinks that notifications go to", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	var path, environment string
	test := &cobra.Command{
		Use:   "test --notifications FILE [SINK]...",
		Short: "Tell sinks something, and say how that went",
		Long: `Tell sinks something, and say how that went: all that the file has, or those that
are named. Chats and mailboxes get a message that says that it is a test; PagerDuty
gets an incident that is resolved at once. A commit status needs a commit that the
host knows, and is not set: such a sink is asked for nothing, and says so.`,
		Example: "  tether notify test --notifications notifications.yaml team-chat",
		RunE: func(cmd *cobra.Command, names []string) error {
			if path == "" {
				return usageError{errors.New("--notifications is missing: name the file")}
			}
			c, err := notifications(path)
			if err != nil {
				return err
			}
			for _, name := range names {
				if !slices.Contains(c.Names(), name) {
					return usageError{fmt.Errorf("%s has no sink %s: it has %s", path, name, strings.Join(c.Names(), ", "))}
				}
			}
			failed := false
			for _, r := range c.Try(cmd.Context(), names, environment, time.Now()) {
				switch {
				case r.Err != nil:
					failed = true
					fmt.Fprintf(cmd.OutOrStdout(), "%s: %v\n", r.Sink, r.Err)
				case r.Skipped != "":
					fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", r.Sink, r.Skipped)
				default:
					fmt.Fprintf(cmd.OutOrStdout(), "%s: was told\n", r.Sink)
				}
			}
			if failed {
				return errors.New("not all sinks were told")
			}
			return nil
		},
	}
	test.Flags().StringVar(&path, "notifications", "", "the file that says who is told what")
	test.Flags().StringVar(&environment, "environment", "test", "the environment that the message names")
	cmd.AddCommand(test)
	return cmd
}
