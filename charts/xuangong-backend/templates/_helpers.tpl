{{- define "xuangong-backend.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "xuangong-backend.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- $name := include "xuangong-backend.name" . }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{/* No image tag here: a new one changes the Deployment and nothing else. */}}
{{- define "xuangong-backend.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: xuangong
{{ include "xuangong-backend.selectorLabels" . }}
{{- end }}

{{- define "xuangong-backend.selectorLabels" -}}
app.kubernetes.io/name: {{ include "xuangong-backend.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "xuangong-backend.tag" -}}
{{- default .Chart.AppVersion .Values.image.tag }}
{{- end }}

{{- define "xuangong-backend.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "xuangong-backend.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{/* The subchart's name for its Service; this chart's and Bitnami's agree on it. */}}
{{- define "xuangong-backend.postgresql" -}}
{{- $pg := .Values.postgresql }}
{{- if $pg.fullnameOverride }}
{{- $pg.fullnameOverride | trunc 44 | trimSuffix "-" }}
{{- else }}
{{- $name := default "postgresql" $pg.nameOverride }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 44 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 44 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{- define "xuangong-backend.databaseAddress" -}}
{{- if .Values.postgresql.enabled -}}
{{ include "xuangong-backend.postgresql" . }}:5432
{{- else -}}
{{ required "database.host is missing: name a server, or set postgresql.enabled to true" .Values.database.host }}:{{ .Values.database.port }}
{{- end }}
{{- end }}

{{/* $(DATABASE_PASSWORD) is put in by the kubelet: no manifest holds the password. */}}
{{- define "xuangong-backend.databaseURL" -}}
{{- $db := .Values.database }}
{{- if .Values.postgresql.enabled }}
{{- $db = dict "user" .Values.postgresql.auth.username "name" .Values.postgresql.auth.database "sslMode" "disable" }}
{{- end -}}
postgres://{{ $db.user }}:$(DATABASE_PASSWORD)@{{ include "xuangong-backend.databaseAddress" . }}/{{ $db.name }}?sslmode={{ $db.sslMode }}
{{- end }}

{{- define "xuangong-backend.config" -}}
{{- $data := dict
  "SERVER_PORT" "8080"
  "SERVER_ENV" .Values.config.serverEnv
  "JWT_ACCESS_EXPIRY" .Values.config.jwt.accessExpiry
  "JWT_REFRESH_EXPIRY" .Values.config.jwt.refreshExpiry
  "CORS_ALLOWED_ORIGINS" (join "," .Values.config.cors.allowedOrigins)
  "RATE_LIMIT_ENABLED" (toString .Values.config.rateLimit.enabled)
  "RATE_LIMIT_REQUESTS_PER_MINUTE" (toString .Values.config.rateLimit.requestsPerMinute)
}}
{{- merge (deepCopy .Values.config.extra) $data | toYaml }}
{{- end }}

{{/*
Replicas on different nodes. Where Kubernetes can (1.31), pods are compared with
those of their own revision only: a rollout then needs no spare node.
*/}}
{{- define "xuangong-backend.antiAffinityTerm" -}}
topologyKey: kubernetes.io/hostname
labelSelector:
  matchLabels:
    {{- include "xuangong-backend.selectorLabels" . | nindent 4 }}
{{- if semverCompare ">=1.31.0-0" .Capabilities.KubeVersion.Version }}
matchLabelKeys: [pod-template-hash]
{{- end }}
{{- end }}

{{- define "xuangong-backend.probe" -}}
httpGet:
  path: {{ .path }}
  port: http
{{ toYaml .timing }}
{{- end }}

{{- define "xuangong-backend.databasePassword" -}}
{{- required "secrets.databasePassword is missing: secrets.provider is values, so it belongs in a file of values that sops encrypts" .Values.secrets.databasePassword }}
{{- end }}

{{- define "xuangong-backend.jwtSecret" -}}
{{- required "secrets.jwtSecret is missing: secrets.provider is values, so it belongs in a file of values that sops encrypts" .Values.secrets.jwtSecret }}
{{- end }}

{{/* The version that External Secrets serves: v1 since its 0.16. */}}
{{- define "xuangong-backend.externalSecretAPI" -}}
{{- $apis := .Capabilities.APIVersions }}
{{- if and ($apis.Has "external-secrets.io/v1beta1/ExternalSecret") (not ($apis.Has "external-secrets.io/v1/ExternalSecret")) -}}
external-secrets.io/v1beta1
{{- else -}}
external-secrets.io/v1
{{- end }}
{{- end }}

{{- define "xuangong-backend.store" -}}
{{- $ref := .Values.secrets.externalSecret.secretStoreRef -}}
kind: {{ $ref.kind }}
name: {{ required "secrets.externalSecret.secretStoreRef.name is missing: name the store that secrets come from" $ref.name }}
{{- end }}

{{/* What the database is noted to hold once it was restored; empty if nothing is. The subchart says the same. */}}
{{- define "xuangong-backend.restoreMark" -}}
{{- if and .Values.postgresql.enabled (dig "restore" "from" "" .Values.postgresql) }}
{{- printf "restored %s %s" .Values.postgresql.restore.from .Values.postgresql.restore.request | trim }}
{{- end }}
{{- end }}

{{- define "xuangong-backend.postgresqlImage" -}}
{{- with .Values.postgresql.image -}}
{{- with .registry }}{{ . }}/{{ end }}{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag }}{{ end }}
{{- end }}
{{- end }}
