package main

import (
	"github.com/spf13/cobra"

	"github.com/xetys/tether/render"
	"github.com/xetys/tether/render/config"
)

// completeEnvironments offers the environments of the working tree.
func (s *shared) completeEnvironments(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	files, err := s.files("")
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	names, err := config.Environments(files)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeReleases offers environments, and then the releases of the one given.
func (s *shared) completeReleases(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return s.completeEnvironments(cmd, args, begun)
	}
	files, err := s.files("")
	if err != nil || len(args) > 1 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	env, err := render.LoadEnvironment(files, args[0])
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, r := range env.Releases {
		names = append(names, r.Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
