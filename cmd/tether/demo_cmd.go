package main

import (
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/xetys/tether/cmd/tether/demo"
)

func newDemo(_ *shared) *cobra.Command {
	var o demo.Options
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Watch the main job on a real control plane on this machine",
		Long: `Start a real control plane on this machine and a git repository, run the agent,
and walk through a commit, a bump, drift, a failed rollout and a revert. It ends
with 0 only if all of that was seen in the cluster.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			self, err := os.Executable()
			if err != nil {
				return err
			}
			o.Tether, o.Out = self, cmd.OutOrStdout()
			if o.ControlPlane == "" {
				o.ControlPlane = filepath.Join(filepath.Dir(self), "controlplane")
			}
			return demo.Run(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&o.Keep, "keep", false, "leave all running at the end, and say how to go on")
	f.StringVar(&o.Source, "source", ".", "folder with charts/ and environments/production")
	f.StringVar(&o.ControlPlane, "controlplane", "", "the control plane's binary (default: beside tether)")
	f.BoolVar(&o.ServiceAccount, "service-account", false, "give the agent nothing but the token of the ServiceAccount that charts/tether installs")
	f.StringVar(&o.Dir, "dir", "", "where to keep everything (default: a temporary folder)")
	return cmd
}
