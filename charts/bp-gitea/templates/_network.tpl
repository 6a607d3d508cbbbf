{{/*
Who may reach the release's Pods: nobody, but for what `rules` lists, each {port, protocol, namespaces};
without namespaces everybody may. A Pod's own node (probes, image pulls, port-forwards) always may.
Holds only where the cluster's network plugin enforces policies; the sandbox's plain bridge does not.
Takes root, name and rules.
*/}}
{{- define "bp.network" -}}
{{- $root := .root -}}
{{- $name := .name -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ $root.Release.Name }}-deny
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "bp.labels" (dict "root" $root "name" $name) | nindent 4 }}
spec:
  podSelector:
    matchLabels:
      app.kubernetes.io/instance: {{ $root.Release.Name }}
  policyTypes: [Ingress]
{{- with .rules }}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ $root.Release.Name }}-allow
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "bp.labels" (dict "root" $root "name" $name) | nindent 4 }}
spec:
  podSelector:
    matchLabels:
      {{- include "bp.selectorLabels" (dict "root" $root "name" $name) | nindent 6 }}
  policyTypes: [Ingress]
  ingress:
    {{- range . }}
    - ports:
        - port: {{ .port }}
          protocol: {{ .protocol }}
      {{- with .namespaces }}
      from:
        {{- range . }}
        - namespaceSelector:
            matchLabels:
              kubernetes.io/metadata.name: {{ . }}
        {{- end }}
      {{- end }}
    {{- end }}
{{- end }}
{{- end -}}
