package charts_test

import "maps"

// installation is a chart with the values and the namespace that it gets somewhere.
type installation struct {
	chart, namespace string
	values           []string // Helm's arguments
}

func (i installation) args(command ...string) []string {
	args := append(command, "charts/"+i.chart, "--namespace", i.namespace, "--kube-version", kubeVersion)
	return append(args, i.values...)
}

func (i installation) template() []string { return i.args("template", i.chart) }

func ofEnvironment(chart, environment, namespace string) installation {
	return installation{chart, namespace, []string{"--values", "environments/" + environment + "/" + chart + ".yaml"}}
}

func agentWith(set ...string) installation {
	i := installation{chart: "tether", namespace: "tether-system"}
	for _, s := range append([]string{"environments={production,development}"}, set...) {
		i.values = append(i.values, "--set", s)
	}
	return i
}

// and returns the installation with more values, and with APIs that the cluster has.
func (i installation) and(set string, apis ...string) installation {
	i.values = append([]string{}, i.values...)
	if set != "" {
		i.values = append(i.values, "--set", set)
	}
	for _, api := range apis {
		i.values = append(i.values, apiVersions+api)
	}
	return i
}

const apiVersions = "--api-versions="

var (
	production = map[string]installation{
		"backend": ofEnvironment("xuangong-backend", "production", "xuangong-prod"),
		"app":     ofEnvironment("xuangong-app", "production", "xuangong-prod"),
	}
	operators = []string{"monitoring.coreos.com/v1/PrometheusRule", "monitoring.coreos.com/v1/ServiceMonitor"}
	database  = installation{chart: "postgresql", namespace: "db"}
)

const (
	login    = "secrets.registry.username=robot,secrets.registry.password=made-up"
	external = "secrets.provider=externalSecret,secrets.externalSecret.secretStoreRef.name=vault"
)

// written are the installations whose charts write Secrets, since they are told to.
var written = map[string]installation{
	"values-xuangong-backend": production["backend"].and("secrets.provider=values,secrets.databasePassword=madeup,secrets.jwtSecret=made-up," + login),
	"values-xuangong-app":     production["app"].and("secrets.provider=values," + login),
	"values-postgresql":       database.and("secrets.provider=values,secrets.userPassword=made-up,secrets.adminPassword=made-up,auth.enablePostgresUser=true"),
}

// installations are those whose render is a golden, by the golden's name.
var installations = map[string]installation{
	"production-xuangong-backend":  ofEnvironment("xuangong-backend", "production", "xuangong-prod"),
	"production-xuangong-app":      ofEnvironment("xuangong-app", "production", "xuangong-prod"),
	"development-xuangong-backend": ofEnvironment("xuangong-backend", "development", "xuangong-dev"),
	"development-xuangong-app":     ofEnvironment("xuangong-app", "development", "xuangong-dev"),
	"external-xuangong-backend":    production["backend"].and(external + ",secrets.externalSecret.registry.key=xuangong/registry"),
	"external-xuangong-app":        production["app"].and(external, "external-secrets.io/v1beta1/ExternalSecret"),
	"external-postgresql":          database.and(external + ",auth.enablePostgresUser=true"),
	"observed-xuangong-backend":    production["backend"].and("monitoring.serviceMonitor.enabled=true,monitoring.dashboards.enabled=true,postgresql.metrics.dashboards.enabled=true", operators...),
	"observed-xuangong-app":        production["app"].and("monitoring.dashboards.enabled=true", operators...),
	"restored-xuangong-backend": production["backend"].and("postgresql.restore.from=latest,postgresql.restore.request=drill 1,postgresql.backup.beforeUpgrade.enabled=true," +
		"postgresql.backup.offsite.enabled=true,postgresql.backup.offsite.endpoint=https://s3.example.com,postgresql.backup.offsite.bucket=dumps,postgresql.backup.offsite.prefix=xuangong"),
	"archived-xuangong-backend": production["backend"].and("migrations.job.enabled=true,postgresql.backup.beforeUpgrade.enabled=true,postgresql.walArchive.enabled=true,postgresql.walArchive.offsite.enabled=true," +
		"postgresql.walArchive.restore.enabled=true,postgresql.walArchive.restore.targetTime=20261127T140000Z,postgresql.backup.offsite.endpoint=https://s3.example.com,postgresql.backup.offsite.bucket=dumps"),
	"issuers": {"issuers", "xuangong-system", []string{"--values", "environments/system/issuers.yaml"}},
	"tether-observed": agentWith("repository.url=https://github.com/xetys/xuangong", "serviceMonitor.enabled=true", "prometheusRule.enabled=true", "dashboards.enabled=true",
		"prometheusRule.disabled={TetherErrorBudget}", "prometheusRule.override.TetherBehind.for=30m"),
	"tether-https": agentWith("repository.url=https://github.com/xetys/xuangong",
		"repository.credentials.existingSecret=git", "repository.ca.existingConfigMap=git-ca", "webhook.existingSecret=webhook", "notifications.existingSecret=notifications",
		"registries.existingSecret=registries", "registries.ca.existingConfigMap=registries-ca"),
	"tether-ssh-namespaced": agentWith("repository.url=git@github.com:xetys/xuangong.git",
		"repository.credentials.existingSecret=git", "rbac.namespaces={xuangong-prod,xuangong-dev}", "replicas=1", "agent.containerLogs=false", "sops.secrets={sops,production=sops-production}"),
	"tether-delegating": agentWith("repository.url=https://github.com/xetys/xuangong", "environments={production@tag:v*,development}",
		"limits.serviceAccounts.production=tether-production,limits.serviceAccounts.development=tether-development"),
	"tether-app-verified": agentWith("repository.url=https://github.example.com/xetys/xuangong", "environments={production@tag:v*,staging@next}",
		"repository.credentials.existingSecret=git", "repository.githubApp.id=1234567", "repository.githubApp.installationId=42",
		"repository.githubApp.apiUrl=https://github.example.com/api/v3", "repository.proxy=http://proxy:3128",
		"repository.verify.existingConfigMap=signers", "repository.verify.sshKey=allowed_signers"),
}

// all are the installations, those that write Secrets too.
func all() map[string]installation {
	out := maps.Clone(installations)
	maps.Copy(out, written)
	return out
}
