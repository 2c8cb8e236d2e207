{{- define "library.mark" -}}from the library, for {{ .Chart.Name }}{{- end -}}
