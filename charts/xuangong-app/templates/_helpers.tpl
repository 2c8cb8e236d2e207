{{- define "xuangong-app.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "xuangong-app.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- $name := include "xuangong-app.name" . }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{/* No image tag here: a new one changes the Deployment and nothing else. */}}
{{- define "xuangong-app.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: xuangong
{{ include "xuangong-app.selectorLabels" . }}
{{- end }}

{{- define "xuangong-app.selectorLabels" -}}
app.kubernetes.io/name: {{ include "xuangong-app.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "xuangong-app.tag" -}}
{{- default .Chart.AppVersion .Values.image.tag }}
{{- end }}

{{- define "xuangong-app.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "xuangong-app.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{/*
Replicas on different nodes. Where Kubernetes can (1.31), pods are compared with
those of their own revision only: a rollout then needs no spare node.
*/}}
{{- define "xuangong-app.antiAffinityTerm" -}}
topologyKey: kubernetes.io/hostname
labelSelector:
  matchLabels:
    {{- include "xuangong-app.selectorLabels" . | nindent 4 }}
{{- if semverCompare ">=1.31.0-0" .Capabilities.KubeVersion.Version }}
matchLabelKeys: [pod-template-hash]
{{- end }}
{{- end }}

{{- define "xuangong-app.probe" -}}
httpGet:
  path: {{ .path }}
  port: http
{{ toYaml .timing }}
{{- end }}

{{/*
All add_header lines stand in the server block: one in a location would drop them.
Flutter's files keep their names from build to build, so browsers have to ask
whether theirs is still the newest.
*/}}
{{- define "xuangong-app.nginx" -}}
server {
    listen 8080;
    listen [::]:8080;
    server_name _;
    server_tokens off;
    root /usr/share/nginx/html;
    index index.html;

    gzip on;
    gzip_vary on;
    gzip_min_length 1024;
    gzip_types text/plain text/css application/javascript application/json application/wasm image/svg+xml;

    add_header Cache-Control "no-cache" always;
    {{- range $name, $value := .Values.nginx.securityHeaders }}
    add_header {{ $name }} {{ $value | quote }} always;
    {{- end }}

    location / {
        try_files $uri $uri/ /index.html;
    }
}
{{- end }}
