{{- define "postgresql.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* The name of all objects: at most 44 characters, since a CronJob has 52. */}}
{{- define "postgresql.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 44 | trimSuffix "-" }}
{{- else }}
{{- $name := include "postgresql.name" . }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 44 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 44 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{- define "postgresql.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{ include "postgresql.matchLabels" . }}
{{- end }}

{{- define "postgresql.matchLabels" -}}
app.kubernetes.io/name: {{ include "postgresql.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* The label by which a pod may reach the server. */}}
{{- define "postgresql.clientLabel" -}}
{{ include "postgresql.fullname" . }}-client: "true"
{{- end }}

{{- define "postgresql.image" -}}
{{- with .Values.image -}}
{{- with .registry }}{{ . }}/{{ end }}{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag }}{{ end }}
{{- end }}
{{- end }}

{{- define "postgresql.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "postgresql.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{/* A security context without the switch that turns it on. */}}
{{- define "postgresql.securityContext" -}}
{{- if .enabled -}}
securityContext:
  {{- omit . "enabled" | toYaml | nindent 2 }}
{{- end }}
{{- end }}

{{- define "postgresql.pullSecrets" -}}
{{- with .Values.image.pullSecrets -}}
imagePullSecrets:
  {{- range . }}
  - name: {{ . | quote }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "postgresql.claimSpec" -}}
accessModes:
  {{- toYaml .accessModes | nindent 2 }}
{{- with .storageClass }}
storageClassName: {{ . }}
{{- end }}
resources:
  requests:
    storage: {{ .size | quote }}
{{- end }}

{{/* pg_isready over TCP: while the volume is first filled there is only a socket. */}}
{{- define "postgresql.probe" -}}
exec:
  command: [pg_isready, --quiet, --host=127.0.0.1, --port=5432, --username={{ .auth.username }}, --dbname={{ .auth.database }}]
{{ omit .probe "enabled" | toYaml }}
{{- end }}

{{/* A dump counts once it is complete and readable; only then do old ones go. */}}
{{- define "postgresql.backupScript" -}}
set -eu
umask 077
cd "$BACKUP_DIR"
rm -f -- ./*.partial
dump="$PGDATABASE-$(date -u +%Y%m%dT%H%M%SZ).dump"
pg_dump --no-password --format=custom --file="$dump.partial"
pg_restore --list "$dump.partial" >/dev/null
mv -- "$dump.partial" "$dump"
find . -maxdepth 1 -type f -name "$PGDATABASE-*.dump" -mtime "+$RETENTION_DAYS" -exec rm -f -- {} +
ls -l -- *.dump
{{- end }}

{{/*
The dump is read to its end before anything is done with it. Then all that is there goes, and all that
was there comes, in one transaction with the note that says so; what ends early commits nothing.
*/}}
{{- define "postgresql.restoreScript" -}}
set -eu
cd "$BACKUP_DIR"
q() { psql --no-password --no-psqlrc --quiet --tuples-only --no-align --set=ON_ERROR_STOP=1 "$@"; }
until pg_isready --quiet; do echo "waiting for $PGHOST"; sleep 1; done
mark() { q --command="SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = current_database()"; }
if [ "$(mark)" = "$MARK" ]; then
  echo "$MARK was done before"
  exit 0
fi
dump="$FROM"
if [ "$dump" = latest ]; then
  dump=$(find . -maxdepth 1 -type f -name "$PGDATABASE-*.dump" | sort | tail -n 1)
fi
if [ ! -f "$dump" ]; then
  echo "there is no dump $FROM; there are:"
  ls -l
  exit 1
fi
pg_restore --file=/dev/null "$dump"
others="SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend' AND application_name NOT IN ('wait-for-restore', 'metrics')"
while [ "$(q --command="$others")" != 0 ]; do echo "waiting until nobody is connected"; sleep 2; done
{
  echo 'BEGIN;'
  echo 'DROP SCHEMA IF EXISTS public CASCADE;'
  echo 'CREATE SCHEMA public;'
  pg_restore --no-owner --no-privileges --no-comments --file=- "$dump"
  echo "COMMENT ON DATABASE :\"database\" IS :'mark'; COMMIT;"
} | q --set=database="$PGDATABASE" --set=mark="$MARK" --file=- >/dev/null
[ "$(mark)" = "$MARK" ]
echo "restored $dump"
{{- end }}

{{/* What the database is noted to hold, once it was restored. */}}
{{- define "postgresql.restoreMark" -}}
{{- printf "restored %s %s" .Values.restore.from .Values.restore.request | trim }}
{{- end }}

{{- define "postgresql.client" -}}
- name: PGHOST
  value: {{ include "postgresql.fullname" . }}
- name: PGPORT
  value: {{ .Values.primary.service.ports.postgresql | quote }}
- name: PGUSER
  value: {{ .Values.auth.username | quote }}
- name: PGDATABASE
  value: {{ .Values.auth.database | quote }}
- name: PGPASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ .Values.auth.existingSecret }}
      key: {{ .Values.auth.secretKeys.userPasswordKey }}
{{- end }}

{{/* What pods that dump or restore have in common: they are clients with the backups' volume. */}}
{{- define "postgresql.jobPod" -}}
restartPolicy: Never
serviceAccountName: {{ include "postgresql.serviceAccountName" . }}
automountServiceAccountToken: {{ .Values.serviceAccount.automountServiceAccountToken }}
enableServiceLinks: false
{{- with include "postgresql.pullSecrets" . }}{{ . | nindent 0 }}{{ end }}
{{- with include "postgresql.securityContext" .Values.backup.cronjob.podSecurityContext }}{{ . | nindent 0 }}{{ end }}
{{- with .Values.backup.cronjob.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.backup.cronjob.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "postgresql.jobLabels" -}}
{{ include "postgresql.matchLabels" . }}
app.kubernetes.io/component: backup
{{ include "postgresql.clientLabel" . }}
{{- end }}

{{- define "postgresql.backupPod" -}}
{{- $job := .Values.backup.cronjob }}
{{- $offsite := .Values.backup.offsite }}
{{- $pull := .Values.image.pullPolicy -}}
metadata:
  labels:
    {{- include "postgresql.jobLabels" . | nindent 4 }}
spec:
  {{- include "postgresql.jobPod" . | nindent 2 }}
  {{ if $offsite.enabled }}initContainers{{ else }}containers{{ end }}:
    - name: backup
      image: {{ include "postgresql.image" . | quote }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      {{- with include "postgresql.securityContext" $job.containerSecurityContext }}{{ . | nindent 6 }}{{ end }}
      command: [/bin/sh, -c]
      args:
        - |
          {{- include "postgresql.backupScript" . | nindent 10 }}
      env:
        {{- include "postgresql.client" . | nindent 8 }}
        - name: BACKUP_DIR
          value: {{ $job.storage.mountPath | quote }}
        - name: RETENTION_DAYS
          value: {{ $job.retentionDays | quote }}
      resources:
        {{- toYaml $job.resources | nindent 8 }}
      volumeMounts:
        - name: backup
          mountPath: {{ $job.storage.mountPath }}
        - name: tmp
          mountPath: /tmp
  {{- with $offsite }}
  {{- if .enabled }}
  containers:
    # A dump that lies there already is not written again, and none is deleted: that is the bucket's to do.
    - name: offsite
      image: {{ .image | quote }}
      imagePullPolicy: {{ $pull }}
      {{- with include "postgresql.securityContext" $job.containerSecurityContext }}{{ . | nindent 6 }}{{ end }}
      args: [copy, --immutable, --include, "*.dump", {{ $job.storage.mountPath | quote }}, {{ include "postgresql.bucket" . | quote }}]
      env:
        {{- include "postgresql.bucketEnv" . | nindent 8 }}
      resources:
        {{- toYaml $job.resources | nindent 8 }}
      volumeMounts:
        - name: backup
          mountPath: {{ $job.storage.mountPath }}
          readOnly: true
        - name: tmp
          mountPath: /tmp
  {{- end }}
  {{- end }}
  volumes:
    - name: backup
      persistentVolumeClaim:
        claimName: {{ default (printf "%s-backup" (include "postgresql.fullname" .)) $job.storage.existingClaim }}
    - name: tmp
      emptyDir: {}
{{- end }}

{{/* How rclone reaches the bucket: for .Values.backup.offsite. */}}
{{- define "postgresql.bucketEnv" -}}
- {name: RCLONE_CONFIG, value: /tmp/rclone.conf}
- {name: RCLONE_CONFIG_OFFSITE_TYPE, value: s3}
- {name: RCLONE_CONFIG_OFFSITE_PROVIDER, value: {{ .provider | quote }}}
- {name: RCLONE_CONFIG_OFFSITE_ENDPOINT, value: {{ .endpoint | quote }}}
- {name: RCLONE_CONFIG_OFFSITE_REGION, value: {{ .region | quote }}}
- name: RCLONE_CONFIG_OFFSITE_ACCESS_KEY_ID
  valueFrom:
    secretKeyRef: {name: {{ .existingSecret }}, key: access-key-id}
- name: RCLONE_CONFIG_OFFSITE_SECRET_ACCESS_KEY
  valueFrom:
    secretKeyRef: {name: {{ .existingSecret }}, key: secret-access-key}
{{- end }}

{{- define "postgresql.bucket" -}}
{{- printf "offsite:%s/%s" (required "backup.offsite.bucket is missing: name the bucket that dumps are copied to" .bucket) .prefix | trimSuffix "/" }}
{{- end }}
