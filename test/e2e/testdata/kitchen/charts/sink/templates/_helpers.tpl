{{- define "sink.name" -}}{{ .Release.Name }}-{{ .Chart.Name }}{{- end -}}
