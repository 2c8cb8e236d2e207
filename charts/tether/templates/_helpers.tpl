{{- define "tether.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "tether.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- $name := include "tether.name" . }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{/* Cluster-wide names carry the namespace: two agents may share a cluster. */}}
{{- define "tether.clusterName" -}}
{{- printf "%s-%s" .Release.Namespace (include "tether.fullname" .) }}
{{- end }}

{{- define "tether.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ include "tether.tag" . | trunc 63 | quote }}
{{ include "tether.selectorLabels" . }}
{{- end }}

{{- define "tether.selectorLabels" -}}
app.kubernetes.io/name: {{ include "tether.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "tether.tag" -}}
{{- default .Chart.AppVersion .Values.image.tag }}
{{- end }}

{{- define "tether.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "tether.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "tether.subjects" -}}
subjects:
  - kind: ServiceAccount
    name: {{ include "tether.serviceAccountName" . }}
    namespace: {{ .Release.Namespace }}
{{- end }}

{{/* Whether every environment has a service account of its own; empty if not. */}}
{{- define "tether.delegates" -}}
{{- $all := true }}
{{- range .Values.environments }}
{{- if not (hasKey $.Values.limits.serviceAccounts (regexReplaceAll "@.*$" . "")) }}
{{- $all = false }}
{{- end }}
{{- end }}
{{- if $all }}true{{ end }}
{{- end }}

{{/* How the repository is reached: https, ssh, or neither. */}}
{{- define "tether.transport" -}}
{{- $url := .Values.repository.url }}
{{- if hasPrefix "https://" $url }}https
{{- else if or (hasPrefix "ssh://" $url) (regexMatch "^[^/:@]+@[^/:]+:" $url) }}ssh
{{- end }}
{{- end }}

{{/* Helm reads whole numbers of values files as floating ones. */}}
{{- define "tether.number" -}}
{{- if kindIs "float64" . }}{{ int64 . }}{{ else }}{{ . }}{{ end }}
{{- end }}

{{- define "tether.args" -}}
- agent
- --repo={{ required "repository.url is missing: name the config repository" .Values.repository.url }}
- --branch={{ .Values.repository.branch }}
- --environment={{ required "environments is missing: name one or more folders below environments/" (join "," .Values.environments) }}
- --interval={{ .Values.agent.interval }}
- --drift-schedule={{ .Values.agent.driftSchedule }}
- --history-max={{ .Values.agent.historyMax }}
- --listen=:8080
- --data-dir=/var/lib/tether
- --log-format={{ .Values.agent.logFormat }}
- --log-level={{ .Values.agent.logLevel }}
{{- if not .Values.agent.containerLogs }}
- --container-logs=false
{{- end }}
{{- with .Values.repository.credentials }}
{{- if .existingSecret }}
{{- $transport := include "tether.transport" $ }}
{{- if and (eq $transport "https") $.Values.repository.githubApp.id }}
- --github-app-id={{ include "tether.number" $.Values.repository.githubApp.id }}
- --github-app-installation-id={{ include "tether.number" (required "repository.githubApp.installationId is missing" $.Values.repository.githubApp.installationId) }}
- --github-app-key-file=/etc/tether/credentials/{{ .keys.appKey }}
{{- with $.Values.repository.githubApp.apiUrl }}
- --github-api-url={{ . }}
{{- end }}
{{- else if eq $transport "https" }}
- --git-token-file=/etc/tether/credentials/{{ .keys.token }}
{{- else if eq $transport "ssh" }}
- --ssh-key-file=/etc/tether/credentials/{{ .keys.identity }}
- --ssh-known-hosts-file=/etc/tether/credentials/{{ .keys.knownHosts }}
{{- end }}
{{- end }}
{{- end }}
{{- if .Values.repository.ca.existingConfigMap }}
- --git-ca-file=/etc/tether/ca/{{ .Values.repository.ca.key }}
{{- end }}
{{- with .Values.repository.proxy }}
- --git-proxy={{ . }}
{{- end }}
{{- with .Values.repository.verify }}
{{- if .existingConfigMap }}
{{- if not (or .openpgpKey .sshKey) }}
{{- fail "repository.verify.openpgpKey and sshKey are both empty: name a key of the ConfigMap" }}
{{- end }}
{{- with .openpgpKey }}
- --verify-openpgp-file=/etc/tether/trusted/{{ . }}
{{- end }}
{{- with .sshKey }}
- --verify-ssh-file=/etc/tether/trusted/{{ . }}
{{- end }}
{{- end }}
{{- end }}
{{- with .Values.webhook }}
{{- if .existingSecret }}
- --webhook-secret-file=/etc/tether/webhook/{{ .key }}
{{- end }}
{{- end }}
{{- with .Values.notifications }}
{{- if .existingSecret }}
- --notifications=/etc/tether/notifications/{{ .key }}
{{- end }}
{{- end }}
{{- if .Values.registries.existingSecret }}
- --registry-config=/etc/tether/registries/.dockerconfigjson
{{- end }}
{{- if .Values.registries.ca.existingConfigMap }}
- --registry-ca-file=/etc/tether/registries-ca/{{ .Values.registries.ca.key }}
{{- end }}
{{- range $flag, $grants := dict "allow-namespaces" .Values.limits.namespaces "allow-cluster-kinds" .Values.limits.clusterKinds "allow-lookup-secrets" .Values.limits.lookupSecrets }}
{{- range $environment, $patterns := $grants }}
- {{ printf "--%s=%s=%s" $flag $environment (join "," $patterns) | quote }}
{{- end }}
{{- end }}
{{- range $environment, $release := .Values.limits.ownRelease }}
- {{ printf "--own-release=%s=%s" $environment $release | quote }}
{{- end }}
{{- $names := list }}
{{- range .Values.environments }}
{{- $names = append $names (regexReplaceAll "@.*$" . "") }}
{{- end }}
{{- range $environment, $account := .Values.limits.serviceAccounts }}
{{- if not (has $environment $names) }}
{{- fail (printf "limits.serviceAccounts names %s, which is none of environments" $environment) }}
{{- end }}
- {{ printf "--service-account=%s=%s" $environment $account | quote }}
{{- end }}
{{- with .Values.sops.secrets }}
- --sops-secret={{ join "," . }}
{{- end }}
{{- with .Values.agent.extraArgs }}
{{ toYaml . }}
{{- end }}
{{- end }}
