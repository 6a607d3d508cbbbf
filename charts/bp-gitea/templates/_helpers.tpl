{{/* One image reference: registry (global first), repository, tag, and the digest if there is one. */}}
{{- define "bp.image" -}}
{{- $registry := .root.Values.global.imageRegistry | default .image.registry -}}
{{- printf "%s/%s:%s" $registry .image.repository (required "image.tag must not be empty" .image.tag) -}}
{{- with .image.digest }}@{{ . }}{{ end -}}
{{- end -}}

{{- define "bp.selectorLabels" -}}
app.kubernetes.io/name: {{ .name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- end -}}

{{- define "bp.labels" -}}
{{ include "bp.selectorLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: catalyst
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
catalyst.openova.io/blueprint: {{ .root.Chart.Name }}
{{- end -}}
