{{/*
The one template of every pod: services, Jobs and tests. What is for all pods (scheduling, security, accounts, pull
secrets) stands here and nowhere else.

dict
  root, component   the chart's scope; which part of the release it is
  scheduling        what replaces the release's (optional)
  spread            whether its pods are divided among nodes as far as can be, where nothing is said of that (optional)
  labels, annotations   further ones (optional)
  containers, initContainers   as text (the latter optional)
  volumes           beside /tmp, as a list (optional)
  tmpSize           most that may be written to /tmp
  restartPolicy, graceSeconds, runtimeClassName, resourceClaims, activeDeadlineSeconds   (optional)
  account           in place of the release's, which may do nothing: one of Kubernetes, with its token (optional)
*/}}
{{- define "ledge.pod" -}}
{{- $root := .root -}}
{{- $values := $root.Values -}}
{{- $scheduling := deepCopy $values.scheduling -}}
{{- range $key, $value := .scheduling | default dict }}{{ $_ := set $scheduling $key $value }}{{ end -}}
{{- if and .spread (not $scheduling.topologySpreadConstraints) -}}
{{-   $selector := include "ledge.componentSelector" (dict "root" $root "component" .component) | fromYaml -}}
{{-   $_ := set $scheduling "topologySpreadConstraints" (list (dict
        "maxSkew" 1
        "topologyKey" "kubernetes.io/hostname"
        "whenUnsatisfiable" "ScheduleAnyway"
        "labelSelector" (dict "matchLabels" $selector)
        "matchLabelKeys" (list "pod-template-hash"))) -}}
{{- end -}}
metadata:
  labels:
    {{- include "ledge.labels" (dict "root" $root "component" .component) | nindent 4 }}
    {{- with .labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with merge (deepCopy (.annotations | default dict)) $values.podAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- with .restartPolicy }}
  restartPolicy: {{ . }}
  {{- end }}
  {{- with .activeDeadlineSeconds }}
  activeDeadlineSeconds: {{ . }}
  {{- end }}
  {{- with .graceSeconds }}
  terminationGracePeriodSeconds: {{ . }}
  {{- end }}
  serviceAccountName: {{ .account | default (include "ledge.fullname" $root) }}
  automountServiceAccountToken: {{ not (empty .account) }}
  # A Service of the release would else set LEDGE_… variables that the programs read as settings.
  enableServiceLinks: false
  {{- with $values.global.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    runAsUser: {{ int $values.runAsUser }}
    runAsGroup: {{ int $values.runAsUser }}
    fsGroup: {{ int $values.runAsUser }}
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile:
      type: RuntimeDefault
  {{- with $scheduling.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $scheduling.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $scheduling.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $scheduling.topologySpreadConstraints }}
  topologySpreadConstraints:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $scheduling.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with $scheduling.schedulerName }}
  schedulerName: {{ . }}
  {{- end }}
  {{- with coalesce .runtimeClassName $scheduling.runtimeClassName }}
  runtimeClassName: {{ . }}
  {{- end }}
  {{- with .resourceClaims }}
  resourceClaims:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .initContainers }}
  initContainers:
    {{- . | nindent 4 }}
  {{- end }}
  containers:
    {{- .containers | nindent 4 }}
  volumes:
    - name: tmp
      emptyDir:
        sizeLimit: {{ .tmpSize }}
    {{- with .volumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}

{{/* The security context of every container. */}}
{{- define "ledge.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}
