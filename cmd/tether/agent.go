package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/robfig/cron/v3"
	"github.com/spf13/cobra"
	"k8s.io/klog/v2"

	"github.com/xetys/tether/agent"
	"github.com/xetys/tether/agent/api"
	"github.com/xetys/tether/agent/reads"
	"github.com/xetys/tether/agent/report"
	"github.com/xetys/tether/agent/web"
	"github.com/xetys/tether/apply/kube"
	"github.com/xetys/tether/render/blame"
	"github.com/xetys/tether/source"
)

type agentFlags struct {
	*shared
	environments  []string
	interval      time.Duration
	listen        string
	api           string
	once          bool
	dataDir       string
	identity      string
	driftSchedule string
	historyMax    int
	memory        string
	profiling     bool
	containerLogs bool
	concurrency   int
	webhookSecret string
	healthRules   string
	notifications string
	promotions    promotionFlags
	unhealthy     time.Duration
	git           gitFlags
	sops          sopsFlags
	charts        chartFlags
	limits        limitFlags
}

func newAgent(s *shared) *cobra.Command {
	f := &agentFlags{shared: s}
	cmd := &cobra.Command{
		Use:   "agent --repo URL --environment NAME[,NAME]",
		Short: "Run the agent, in a cluster or beside it",
		Long: `Run the agent: it follows one branch of the repository and keeps the cluster
what the environments say. Several agents may run for the same environment: one
leads, by a Lease, and the others stand by.

With --once it brings each environment to its head's verdict and ends: with 0 if
that is applied or no-op, 2 if it is refused, and 1 otherwise.`,
		Example: `  tether agent --repo https://github.com/xetys/xuangong --environment production
  tether agent --repo ./config --environment development --once`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			collectEarly()
			return f.run(cmd)
		},
	}
	fl := cmd.Flags()
	fl.StringSliceVar(&f.environments, "environment", nil, "the environments to keep (folders below environments/), each with @BRANCH or @tag:PATTERN behind it if it does not follow --branch")
	fl.DurationVar(&f.interval, "interval", 30*time.Second, "how often to poll the repository, give or take a tenth")
	fl.StringVar(&f.listen, "listen", ":8080", "address for /healthz, /readyz, /metrics, /webhook, /api/v1 and the status page; empty for none")
	fl.StringVar(&f.api, "api", string(reads.ByToken), "who may read /api/v1 and the status page on --listen: token, for holders of tokens of the cluster whom RBAC lets get and list environments.tether.stytex.cloud; loopback, for everybody on this machine, if --listen is a loopback address; or none")
	fl.StringVar(&f.webhookSecret, "webhook-secret-file", "", "file with the secret that push events to /webhook have to prove they know; without it none is taken")
	fl.BoolVar(&f.once, "once", false, "look once, wait for the verdicts, and end")
	fl.StringVar(&f.dataDir, "data-dir", "", "where the clone and fetched charts are kept (default: below the user's cache directory)")
	fl.StringVar(&f.identity, "identity", "", "this replica's name in leases (default: host name and data directory)")
	fl.StringVar(&f.driftSchedule, "drift-schedule", "*/30 * * * *", "when to compare everything with the cluster anew, as a cron expression; empty for never")
	fl.IntVar(&f.concurrency, "concurrency", kube.DefaultConcurrency, "how many requests to the API server are under way at once at the most; fewer while it says that it has too many")
	fl.BoolVar(&f.profiling, "profiling", false, "answer /debug/pprof too, for go tool pprof: whoever reaches --listen can then see what the process holds in memory")
	fl.BoolVar(&f.containerLogs, "container-logs", true, "read how the log of a container ends that failed a rollout, without the secrets that are known, for the reason, the ledger and who reads them")
	fl.StringVar(&f.healthRules, "health-rules", "", "a file with rules on the health of kinds, for all environments; an environment's own go before them")
	fl.StringVar(&f.notifications, "notifications", "", "a file that says who is told what becomes of environments: chats, mail, incidents, commit statuses; keep it as a secret")
	fl.DurationVar(&f.unhealthy, "unhealthy-after", agent.DefaultUnhealthyAfter, "how long a release has to be unhealthy, or healthy again, after its rollout until that is told; four times as long if something is only in progress")
	fl.StringVar(&f.memory, "memory-limit", "", "what the agent and the processes that render may have together, such as 1Gi; none of them gets more than its share of it (default: the container's limit, if it has one)")
	fl.IntVar(&f.historyMax, "history-max", 10, "how many records to keep of each release")
	f.sops.registerSecrets(fl)
	f.git.register(fl)
	f.charts.register(fl)
	f.limits.register(fl)
	f.promotions.register(fl)
	return cmd
}

func (f *agentFlags) run(cmd *cobra.Command) error {
	ctx := cmd.Context()
	var line *liveLine
	to := cmd.ErrOrStderr()
	if f.once {
		if line = newLiveLine(to); line != nil {
			to = line
		}
	}
	log, err := f.logger(to)
	if err != nil {
		return err
	}
	// client-go's own messages are ours to word; its errors reach us as values.
	klog.SetLogger(logr.Discard())
	if err := f.check(); err != nil {
		return usageError{err}
	}
	if err := f.boundMemory(); err != nil {
		return usageError{err}
	}
	go tellConfinement(ctx, log)
	config, err := f.config()
	if err != nil {
		return err
	}
	slot, err := takeSlot(f.dataDir, strings.Join(append([]string{f.repo, f.branch, config.Host}, f.environments...), "\n"))
	if err != nil {
		return err
	}
	defer slot.release()
	if f.identity == "" {
		f.identity = slot.identity
	}
	opts, repo, err := f.options(slot.dir)
	if err != nil {
		return err
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	a, err := agent.New(opts, repo, config, log, report.NewMetrics(registry))
	if err != nil {
		return err
	}
	defer a.Close()
	if f.once {
		defer f.follow(ctx, line)()
		return a.Once(ctx)
	}
	log.Info("tether", "version", version, "repository", repo.String(), "environments", f.environments, "cluster", config.Host)
	return f.serve(ctx, a, registry, func(at net.Addr) { log.Info("listening", "address", at.String()) })
}

// options are what the flags make of the agent, with its data in a folder.
func (f *agentFlags) options(dir string) (agent.Options, source.Source, error) {
	none := agent.Options{}
	scan, err := schedule(f.driftSchedule)
	if err != nil {
		return none, nil, err
	}
	environments, refs, err := parseEnvironments(f.environments, f.branch)
	if err != nil {
		return none, nil, usageError{err}
	}
	repo, err := f.repository(dir, distinct(refs))
	if err != nil {
		return none, nil, err
	}
	keys, err := f.sops.keys()
	if err != nil {
		return none, nil, err
	}
	reach, err := f.charts.reach.rule()
	if err != nil {
		return none, nil, err
	}
	rendering, err := f.charts.rendering(filepath.Join(filepath.Dir(dir), "charts"))
	if err != nil {
		return none, nil, err
	}
	rules, err := healthRules(f.healthRules)
	if err != nil {
		return none, nil, err
	}
	limits, err := f.limits.limits()
	if err != nil {
		return none, nil, err
	}
	accounts, err := f.limits.serviceAccounts(f.namespace, environments)
	if err != nil {
		return none, nil, err
	}
	notices, err := notifications(f.notifications)
	if err != nil {
		return none, nil, err
	}
	return agent.Options{
		Environments: environments, Refs: refs, Namespace: f.namespace, Identity: f.identity, Interval: f.interval,
		Repository: repo.String(), FullScan: scan, HistoryMax: f.historyMax, Concurrency: f.concurrency,
		WebhookSecretFile: f.webhookSecret, Profiling: f.profiling, NoContainerLogs: !f.containerLogs, Keys: keys, Render: rendering, History: blame.OpenCache(filepath.Join(filepath.Dir(dir), "history"), build(), historyCache), Health: rules, Reach: reach, Limits: limits, Accounts: accounts,
		UnhealthyAfter: f.unhealthy, API: reads.Access(f.api), Notify: notices, Promote: f.promotions.on,
	}, repo, nil
}

// check says what is wrong with the flags, as far as they are known to be.
func (f *agentFlags) check() error {
	if len(f.environments) == 0 {
		return errors.New("--environment is missing: name one or more folders below environments/")
	}
	if f.concurrency < 1 {
		return fmt.Errorf("--concurrency %d: use 1 or more", f.concurrency)
	}
	if f.unhealthy <= 0 {
		return fmt.Errorf("--unhealthy-after %s: use a time above zero, such as 15s", f.unhealthy)
	}
	switch reads.Access(f.api) {
	case reads.ByToken, reads.ByNobody:
	case reads.FromLoopback:
		if !api.IsLoopback(f.listen) {
			return fmt.Errorf("--api loopback asks nobody who he is, and --listen %s is reached from elsewhere too: listen on 127.0.0.1, or use --api token", f.listen)
		}
	default:
		return fmt.Errorf("--api %q: use token, loopback or none", f.api)
	}
	if f.webhookSecret != "" {
		if _, err := web.ReadWebhookSecret(f.webhookSecret); err != nil {
			return fmt.Errorf("--webhook-secret-file: %w", err)
		}
	}
	return nil
}

// serve runs the agent and its HTTP server until ctx ends or one of them fails.
func (f *agentFlags) serve(ctx context.Context, a *agent.Agent, registry *prometheus.Registry, listening func(net.Addr)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	served := make(chan error, 1)
	if f.listen == "" {
		served <- nil
	} else {
		go func() {
			defer cancel()
			served <- a.Serve(ctx, f.listen, registry, listening)
		}()
	}
	err := a.Run(ctx)
	return errors.Join(err, <-served)
}

// schedule reads a cron expression; an empty one never fires.
func schedule(expr string) (func(time.Time) time.Time, error) {
	if expr == "" {
		return nil, nil
	}
	s, err := cron.ParseStandard(expr)
	if err != nil {
		return nil, usageError{fmt.Errorf("--drift-schedule %q: %w", expr, err)}
	}
	return s.Next, nil
}
