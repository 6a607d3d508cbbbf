{{- define "x.password" -}}
{{- randAlphaNum 16 | b64enc -}}
{{- end -}}
{{- define "x.other" -}}
{{- uuidv4 -}}
{{- end -}}
