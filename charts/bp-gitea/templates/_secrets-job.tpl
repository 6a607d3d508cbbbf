{{/*
Secrets made once: a pre-install and pre-upgrade Job runs `catalystd job ensure-secret`, one container
for each Secret. What exists already wins, so an upgrade changes no password; the Secrets are no part
of the release and outlive it. Nothing random is made in a template: a render is the same every time.
Order: ServiceAccount, then Role and RoleBinding, the Job last.
Takes root and secrets: a list of {name, args}.
*/}}
{{- define "bp.secretsJob" -}}
{{- $root := .root -}}
{{- $name := printf "%s-secrets" $root.Release.Name -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ $name }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "bp.labels" (dict "root" $root "name" $name) | nindent 4 }}
  annotations:
    helm.sh/hook: pre-install,pre-upgrade
    helm.sh/hook-weight: "-20"
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
automountServiceAccountToken: false
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {{ $name }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "bp.labels" (dict "root" $root "name" $name) | nindent 4 }}
  annotations:
    helm.sh/hook: pre-install,pre-upgrade
    helm.sh/hook-weight: "-15"
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
rules:
  # A name cannot limit `create`: it is not known to the API server's authoriser at that time.
  - apiGroups: [""]
    resources: [secrets]
    verbs: [create]
  # `update` adds keys that a later chart version asks for; keys that exist are never changed.
  - apiGroups: [""]
    resources: [secrets]
    resourceNames: [{{ range $i, $s := .secrets }}{{ if $i }}, {{ end }}{{ $s.name }}{{ end }}]
    verbs: [get, update]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ $name }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "bp.labels" (dict "root" $root "name" $name) | nindent 4 }}
  annotations:
    helm.sh/hook: pre-install,pre-upgrade
    helm.sh/hook-weight: "-15"
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: {{ $name }}
subjects:
  - kind: ServiceAccount
    name: {{ $name }}
    namespace: {{ $root.Release.Namespace }}
---
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ $name }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "bp.labels" (dict "root" $root "name" $name) | nindent 4 }}
  annotations:
    helm.sh/hook: pre-install,pre-upgrade
    helm.sh/hook-weight: "-10"
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
spec:
  backoffLimit: 6
  # Well inside the release's own time limit, so the cause is told by the Job and not by a time-out.
  activeDeadlineSeconds: 300
  ttlSecondsAfterFinished: 600
  template:
    metadata:
      labels:
        {{- include "bp.labels" (dict "root" $root "name" $name) | nindent 8 }}
    spec:
      restartPolicy: OnFailure
      serviceAccountName: {{ $name }}
      automountServiceAccountToken: true
      enableServiceLinks: false
      {{- with $root.Values.imagePullSecrets }}
      imagePullSecrets:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      securityContext:
        runAsNonRoot: true
        runAsUser: 65534
        runAsGroup: 65534
        seccompProfile:
          type: RuntimeDefault
      containers:
        {{- range .secrets }}
        - name: {{ .name }}
          image: {{ include "bp.image" (dict "root" $root "image" $root.Values.jobImage) | quote }}
          imagePullPolicy: {{ $root.Values.jobImage.pullPolicy }}
          command: ["/catalystd"]
          args:
            - job
            - ensure-secret
            - --namespace={{ $root.Release.Namespace }}
            - --name={{ .name }}
            {{- range .args }}
            - {{ . | quote }}
            {{- end }}
          resources:
            requests:
              cpu: 10m
              memory: 16Mi
            limits:
              memory: 64Mi
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities:
              drop: [ALL]
        {{- end }}
{{- end -}}
