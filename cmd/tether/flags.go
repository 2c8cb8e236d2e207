package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/lmittmann/tint"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"

	"github.com/xetys/tether/agent/reads"
	"github.com/xetys/tether/source/printable"
)

// shared are the flags that every command has.
type shared struct {
	repo, branch        string
	kubeconfig, context string
	namespace           string
	output              string
	logFormat, logLevel string
}

func (s *shared) register(root *cobra.Command) {
	f := root.PersistentFlags()
	f.StringVar(&s.repo, "repo", ".", "the config repository: a path, or an https, ssh or file URL")
	f.StringVar(&s.branch, "branch", "main", "the branch to follow")
	f.StringVar(&s.kubeconfig, "kubeconfig", "", "path of a kubeconfig file (default: $KUBECONFIG, ~/.kube/config, or the cluster that tether runs in)")
	f.StringVar(&s.context, "context", "", "the kubeconfig's context to use (default: its current one)")
	f.StringVar(&s.namespace, "namespace", "tether-system", "the namespace in which the agent keeps its ledgers and leases")
	f.StringVarP(&s.output, "output", "o", "table", "table, json or yaml")
	f.StringVar(&s.logFormat, "log-format", "auto", "text, json, or auto: text on a terminal and json elsewhere")
	f.StringVar(&s.logLevel, "log-level", "info", "debug, info, warn or error")
	for name, values := range map[string][]string{
		"output": {"table", "json", "yaml"}, "log-format": {"auto", "text", "json"}, "log-level": {"debug", "info", "warn", "error"},
	} {
		_ = root.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)) // fails only for unknown flags
	}
}

// fromEnv sets every flag that was not given from its environment variable.
func fromEnv(cmd *cobra.Command) error {
	var err error
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		value, ok := os.LookupEnv(envName(f.Name))
		if f.Changed || !ok || err != nil {
			return
		}
		if serr := cmd.Flags().Set(f.Name, value); serr != nil {
			err = usageError{fmt.Errorf("%s: %w", envName(f.Name), serr)}
		}
	})
	return err
}

func envName(flag string) string {
	return "TETHER_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// config returns how to reach the cluster.
func (s *shared) config() (*rest.Config, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = s.kubeconfig
	c, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: s.context}).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("find the cluster: %w; give --kubeconfig", err)
	}
	return c, nil
}

// logger logs to w: text with colours on a terminal, JSON elsewhere.
func (s *shared) logger(w io.Writer) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(s.logLevel)); err != nil {
		return nil, usageError{fmt.Errorf("--log-level %q: use debug, info, warn or error", s.logLevel)}
	}
	terminal := isTerminal(w)
	switch {
	case s.logFormat == "text" || s.logFormat == "auto" && terminal:
		return slog.New(tint.NewTextHandler(w, &tint.Options{Level: level, TimeFormat: "15:04:05.000", NoColor: !shows(w), ReplaceAttr: logged})), nil
	case s.logFormat == "json" || s.logFormat == "auto":
		return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: logged})), nil
	}
	return nil, usageError{fmt.Errorf("--log-format %q: use auto, text or json", s.logFormat)}
}

// print writes v in the format that was asked for; table prints it for people, and what
// a terminal would obey of it is replaced.
func (s *shared) print(w io.Writer, v any, table func(io.Writer) error) error {
	switch s.output {
	case "table":
		if !shows(w) {
			return table(printable.Writer(w))
		}
		p := &painter{to: w}
		return errors.Join(table(printable.Writer(p)), p.flush())
	case "json":
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		return enc.Encode(v)
	case "yaml":
		raw, err := yaml.Marshal(v)
		if err != nil {
			return err
		}
		_, err = w.Write(raw)
		return err
	}
	return usageError{fmt.Errorf("-o %q: use table, json or yaml", s.output)}
}

// serverFlags say which agent is asked in the cluster's place.
type serverFlags struct{ url, tokenFile string }

func (f *serverFlags) register(fl *pflag.FlagSet) {
	fl.StringVar(&f.url, "server", "", "ask this agent's read API in place of the cluster: http://localhost:8080 behind kubectl port-forward, or an https address")
	fl.StringVar(&f.tokenFile, "token-file", "", "file with a token of the cluster for --server")
}

// client returns a client of the agent that the flags name.
func (f *serverFlags) client() (*reads.Client, error) {
	c, err := reads.Ask(f.url, f.tokenFile)
	if err != nil {
		return nil, usageError{err}
	}
	return c, nil
}
