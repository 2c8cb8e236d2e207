{{- define "sink.name" -}}{{ .Release.Name }}-{{ .Chart.Name }}{{- end -}}
{{- define "sink.labels" -}}
app: {{ .Chart.Name }}
team: {{ index .Chart.Annotations "example.com/team" }}
{{- end -}}
