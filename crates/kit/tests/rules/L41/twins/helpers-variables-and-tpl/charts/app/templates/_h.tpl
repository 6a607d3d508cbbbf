{{- define "app.image" -}}{{ .root.Values.registry }}/{{ .image.repository }}{{- end -}}
{{- define "app.name" -}}{{ $v := .Values.name }}{{ default .Release.Name $v }}{{- end -}}
