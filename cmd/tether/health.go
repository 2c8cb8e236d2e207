package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/apply/health"
	"github.com/xetys/tether/apply/ownership"
	"github.com/xetys/tether/render/config"
	"github.com/xetys/tether/render/manifest"
	"github.com/xetys/tether/source/printable"
)

// verdict is what tether health says of one object.
type verdict struct {
	File   string `json:"file"`
	Object string `json:"object"`
	State  string `json:"state"`
	Rule   string `json:"rule"`
	Field  string `json:"field,omitempty"`
	Reason string `json:"reason"`
	// Failed says that it will not mend itself.
	Failed bool `json:"failed,omitempty"`
	// Held says that somebody has to act before it goes on.
	Held bool `json:"held,omitempty"`
}

type healthFlags struct {
	*shared
	environment string
	rules       string
}

func newHealth(s *shared) *cobra.Command {
	f := &healthFlags{shared: s}
	cmd := &cobra.Command{
		Use:   "health FILE|FOLDER... | health ENVIRONMENT OBJECT",
		Short: "Judge objects from files, or one in the cluster: its state, and which rule and field say so",
		Long: `Judge the health of objects: those in files (YAML or JSON, many documents, lists;
- is the standard input), or one that an environment has in the cluster, named as
everywhere: Kind.group name, or kind/name.

Of a folder, the files that end in .yaml, .yml and .json are read. A document that
can't be read is said, and the others are judged all the same.

Objects from files are judged as they stand there, and no cluster is asked: a rule
can be written and tested without one. --environment adds the rules of an
environment of --repo, and --rules those of a file.

Exit codes: 0 all are healthy; 1 one is unhealthy; 3 one is in progress, or nobody
knows; 2 bad usage, or a file that can't be read.`,
		Example: `  kubectl get certificate web -o yaml | tether health -
  tether health cluster.yaml --environment production -o json
  tether health production Cluster.postgresql.cnpg.io/db`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: s.completeEnvironments,
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.run(cmd.Context(), cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr(), args)
		},
	}
	cmd.Flags().StringVar(&f.environment, "environment", "", "judge objects from files by the rules of this environment too")
	cmd.Flags().StringVar(&f.rules, "rules", "", "a file with rules, as the agent's --health-rules")
	return cmd
}

func (f *healthFlags) run(ctx context.Context, in io.Reader, w, errs io.Writer, args []string) error {
	rules, err := healthRules(f.rules)
	if err != nil {
		return err
	}
	var all []verdict
	if environment, object, ok := f.live(args); ok {
		all, err = f.judgeLive(ctx, errs, environment, object, rules)
	} else {
		all, err = f.judgeFiles(in, args, rules)
	}
	if err != nil && len(all) == 0 {
		return err
	}
	if err := f.print(w, all, func(w io.Writer) error { return tableOfHealth(w, all) }); err != nil {
		return err
	}
	return cmp.Or(err, outcome(all))
}

// live reads the arguments as an environment and an object, unless the first is a file.
func (f *healthFlags) live(args []string) (environment, object string, ok bool) {
	if args[0] == "-" || len(args) < 2 || len(args) > 3 || f.environment != "" {
		return "", "", false
	}
	there := func(name string) bool { _, err := os.Stat(name); return err == nil }
	if there(args[0]) && (!isFolder(args[0]) || there(args[1])) {
		return "", "", false
	}
	if ext := filepath.Ext(args[0]); ext == ".yaml" || ext == ".yml" || ext == ".json" {
		return "", "", false
	}
	return args[0], strings.Join(args[1:], " "), true
}

// outcome is the exit code of what was printed.
func outcome(all []verdict) error {
	var out error
	for _, v := range all {
		switch health.State(v.State) {
		case health.Healthy:
		case health.Unhealthy, health.Missing:
			return errUnhealthy
		default:
			out = errInProgress
		}
	}
	return out
}

// healthRules reads a file with rules; none if no file is named.
func healthRules(file string) (*health.Rules, error) {
	if file == "" {
		return nil, nil
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, usageError{err}
	}
	rules, wrong := health.ReadFile(raw, file)
	if len(wrong) > 0 {
		lines := make([]string, len(wrong))
		for i, p := range wrong {
			lines[i] = fmt.Sprintf("%s:%s", file, p)
		}
		return nil, usageError{errors.New(strings.Join(lines, "\n"))}
	}
	return rules, nil
}

func (f *healthFlags) judgeFiles(in io.Reader, files []string, rules *health.Rules) ([]verdict, error) {
	if f.environment != "" {
		tree, err := f.files("")
		if err != nil {
			return nil, err
		}
		env, err := config.Load(tree, f.environment)
		if err != nil {
			return nil, err
		}
		rules = env.Health.Then(rules)
	}
	all, wrong := []verdict{}, []error{}
	for _, file := range expand(files) {
		documents, err := readDocuments(in, file)
		if err != nil {
			wrong = append(wrong, err)
		}
		for _, d := range documents {
			if d.err == nil {
				all = append(all, judgeObject(file, d.object, rules))
				continue
			}
			all = append(all, verdict{File: file, State: string(health.Unknown), Rule: "none", Reason: d.err.Error()})
			wrong = append(wrong, fmt.Errorf("%s: %w", file, d.err))
		}
	}
	if len(wrong) > 0 {
		return all, usageError{errors.Join(wrong...)}
	}
	return all, nil
}

func judgeObject(file string, u *unstructured.Unstructured, rules *health.Rules) verdict {
	if u.GetKind() == "" || u.GetAPIVersion() == "" {
		return verdict{File: file, Object: u.GetName(), State: string(health.Unknown), Rule: "none", Reason: "it is no object: it has no apiVersion and kind"}
	}
	v := health.Of(u, health.Options{Rules: rules, Manager: ownership.FieldManager})
	return verdict{File: file, Object: manifest.IDOf(u).String(), State: string(v.State), Rule: v.Rule, Field: v.Field, Reason: v.Reason, Failed: v.Failed, Held: v.Held}
}

// judgeLive judges one object of an environment as the cluster has it, by the rules
// of the environment as the working tree has them.
func (f *healthFlags) judgeLive(ctx context.Context, errs io.Writer, environment, object string, rules *health.Rules) ([]verdict, error) {
	own, unread := f.rulesOf(environment)
	c, err := f.cluster(environment)
	if err != nil {
		return nil, err
	}
	if unread != nil {
		if l, err := ledger.Read(ctx, c, f.namespace); err != nil {
			fmt.Fprintf(errs, "! rules on health that environment %s may have are not asked: %v\n", environment, unread)
		} else if text := f.withoutRules(l.HealthRules, unread); text != "" {
			fmt.Fprintf(errs, "! %s\n", oneLine(text))
		}
	}
	c.Judge.SetRules(own.Then(rules))
	h, err := c.Judge.ByName(ctx, object)
	if err != nil {
		return nil, err
	}
	return []verdict{{File: "", Object: h.ID.String(), State: string(h.State), Rule: h.Rule, Field: h.Field, Reason: h.Reason, Failed: h.State == health.Unhealthy && !h.Mends, Held: h.Held}}, nil
}

// rulesOf are an environment's rules on health as the working tree of --repo has them,
// or why they can't be read: who asks a cluster may have no working tree.
func (s *shared) rulesOf(environment string) (*health.Rules, error) {
	tree, err := s.files("")
	if err != nil {
		return nil, err
	}
	env, err := config.Load(tree, environment)
	if err != nil {
		return nil, err
	}
	return env.Health, nil
}

// withoutRules says that health is judged without the rules that an environment has for
// some kinds; nothing if it has none, or they were read.
func (s *shared) withoutRules(kinds []string, unread error) string {
	if unread == nil || len(kinds) == 0 {
		return ""
	}
	return fmt.Sprintf("the environment's own rules on health, for %s, are not asked: they can't be read in %s (%v); run this in a checkout, or name one with --repo",
		strings.Join(kinds, ", "), s.repo, unread)
}

func tableOfHealth(w io.Writer, all []verdict) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "OBJECT\tSTATE\tRULE\tFIELD\tREASON")
	for _, v := range all {
		state := v.State
		if v.Failed {
			state += " (failed)"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", printable.Line(v.Object, 300), state, v.Rule, v.Field, printable.Line(v.Reason, 500))
	}
	return t.Flush()
}
