{{- define "x.rules" -}}
- apiGroups: [""]
  resources: [secrets]
  resourceNames: [token]
  verbs:
    - create
{{- end -}}
