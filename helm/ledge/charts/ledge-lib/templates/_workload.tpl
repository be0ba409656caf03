{{/* A service's Deployment: dict root, name, service. */}}
{{- define "ledge.workload" -}}
{{- $root := .root -}}
{{- $values := $root.Values -}}
{{- $name := .name -}}
{{- $service := .service -}}
{{- $fullname := include "ledge.fullname" $root -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ $fullname }}-{{ $name }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "ledge.labels" (dict "root" $root "component" $name) | nindent 4 }}
spec:
  {{- if eq $service.autoscaling.kind "none" }}
  replicas: {{ int $service.replicas }}
  {{- end }}
  revisionHistoryLimit: 3
  progressDeadlineSeconds: {{ add 600 (include "ledge.startupSeconds" .) | int }}
  strategy:
    {{- if include "ledge.recreates" . }}
    type: Recreate
    {{- else }}
    type: RollingUpdate
    rollingUpdate:
      maxSurge: 1
      maxUnavailable: 0
    {{- end }}
  selector:
    matchLabels:
      {{- include "ledge.componentSelector" (dict "root" $root "component" $name) | nindent 6 }}
  template:
    {{- $gpu := include "ledge.gpuPod" . | fromYaml }}
    {{- $annotations := deepCopy $service.podAnnotations }}
    {{- with $service.files }}{{ $_ := set $annotations "ledge/files" (toYaml . | sha256sum) }}{{ end }}
    {{- include "ledge.pod" (dict
          "root" $root
          "component" $name
          "scheduling" $service.scheduling
          "spread" (gt (int (include "ledge.mostReplicas" (dict "service" $service))) 1)
          "labels" $service.podLabels
          "annotations" $annotations
          "initContainers" (include "ledge.waitForModels" . | trim)
          "containers" (include "ledge.serviceContainer" . | trim)
          "volumes" (include "ledge.serviceVolumes" . | fromYamlArray)
          "tmpSize" $service.tmpSize
          "graceSeconds" $service.graceSeconds
          "runtimeClassName" $gpu.runtimeClassName
          "resourceClaims" $gpu.resourceClaims
          "account" (empty (include "ledge.takesTurns" .) | ternary "" (include "ledge.loadingAccount" $root))
        ) | nindent 4 }}
{{- end }}

{{/* Whether the next pod may start only when the last one has ended: "yes" or nothing. */}}
{{- define "ledge.recreates" -}}
{{- if .service.persistence.enabled }}yes{{ else if .service.usesGpu }}{{ include "ledge.gpuRecreates" . }}{{ end -}}
{{- end }}

{{- define "ledge.serviceContainer" -}}
{{- $service := .service -}}
- name: {{ $service.module }}
  image: {{ include "ledge.image" (dict "root" .root "image" $service.image "name" $service.module) }}
  imagePullPolicy: {{ .root.Values.image.pullPolicy }}
  command: [python, -m, services.{{ $service.module }}]
  ports:
    {{- range include "ledge.ports" . | fromYamlArray }}
    - name: {{ .name }}
      containerPort: {{ .port }}
      protocol: TCP
    {{- end }}
  env:
    {{- include "ledge.environment" . | trim | nindent 4 }}
  {{- include "ledge.probes" . | nindent 2 }}
  {{- if gt (int $service.preStopSeconds) 0 }}
  lifecycle:
    preStop:
      sleep:
        seconds: {{ int $service.preStopSeconds }}
  {{- end }}
  {{- $resources := include "ledge.gpuResources" . | fromYaml }}
  {{- with $resources }}
  resources:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    {{- include "ledge.containerSecurity" . | nindent 4 }}
  volumeMounts:
    - name: tmp
      mountPath: /tmp
    {{- range include "ledge.serviceMounts" . | fromYamlArray }}
    - {{ toYaml . | nindent 6 | trim }}
    {{- end }}
{{- end }}

{{/* Ports of a service's pods and of its Service: [{name, port, appProtocol}]. */}}
{{- define "ledge.ports" -}}
{{- $tls := .root.Values.tls.enabled -}}
{{- if eq .service.protocol "grpc" -}}
- { name: grpc, port: 50051, appProtocol: {{ $tls | ternary "https" "kubernetes.io/h2c" }} }
- { name: ops, port: 8000, appProtocol: http }
{{- if $tls }}
- { name: health, port: 50052, appProtocol: kubernetes.io/h2c }
{{- end }}
{{- else if eq .service.protocol "http" -}}
- { name: http, port: 8000, appProtocol: {{ $tls | ternary "https" "http" }} }
{{- else -}}
- { name: wyoming, port: {{ .service.port }}, appProtocol: tcp }
- { name: ops, port: 8000, appProtocol: http }
{{- end -}}
{{- end }}

{{/* Volumes of a service beside /tmp, as a list. */}}
{{- define "ledge.serviceVolumes" -}}
{{- $fullname := include "ledge.fullname" .root -}}
{{- $values := .root.Values -}}
{{- $volumes := include "ledge.modelVolumes" . | fromYamlArray -}}
{{- if .service.persistence.enabled -}}
{{-   $claim := .service.persistence.existingClaim | default (printf "%s-%s" $fullname .name) -}}
{{-   $volumes = append $volumes (dict "name" "data" "persistentVolumeClaim" (dict "claimName" $claim)) -}}
{{- else if eq .service.module "retrieval" -}}
{{- /* It writes in any case; what it writes here ends with the pod, as the notes say. */ -}}
{{-   $volumes = append $volumes (dict "name" "data" "emptyDir" (dict "sizeLimit" .service.persistence.size)) -}}
{{- end -}}
{{- if .service.files -}}
{{-   $volumes = append $volumes (dict "name" "files" "configMap" (dict "name" (printf "%s-%s" $fullname .name))) -}}
{{- end -}}
{{- if $values.auth.existingSecret -}}
{{-   $items := list (dict "key" "keys" "path" "keys") -}}
{{-   $volumes = append $volumes (dict "name" "keys" "secret" (dict "secretName" $values.auth.existingSecret "defaultMode" 288 "items" $items)) -}}
{{- end -}}
{{- if $values.tls.enabled -}}
{{-   $secret := include "ledge.tlsSecret" . -}}
{{-   $volumes = append $volumes (dict "name" "tls" "secret" (dict "secretName" $secret "defaultMode" 288)) -}}
{{- end -}}
{{- if gt (int .service.shmMiB) 0 -}}
{{-   $volumes = append $volumes (dict "name" "shm" "emptyDir" (dict "medium" "Memory" "sizeLimit" (printf "%dMi" (int .service.shmMiB)))) -}}
{{- end -}}
{{ toYaml $volumes }}
{{- end }}

{{/* Where they are mounted, as a list. */}}
{{- define "ledge.serviceMounts" -}}
{{- $places := dict "models" "/models" "catalog" "/etc/ledge/catalog" "data" "/data" "files" "/etc/ledge/files"
      "keys" "/etc/ledge/keys" "tls" "/etc/ledge/tls" "shm" "/dev/shm" -}}
{{- $writable := list "data" "shm" -}}
{{- $mounts := list -}}
{{- range include "ledge.serviceVolumes" . | fromYamlArray -}}
{{-   $mount := dict "name" .name "mountPath" (get $places .name) -}}
{{-   if not (has .name $writable) }}{{ $_ := set $mount "readOnly" true }}{{ end -}}
{{-   $mounts = append $mounts $mount -}}
{{- end -}}
{{ toYaml $mounts }}
{{- end }}

{{/* The Secret with a service's certificate: dict root, name. */}}
{{- define "ledge.tlsSecret" -}}
{{- .root.Values.tls.existingSecret | default (printf "%s-%s-tls" (include "ledge.fullname" .root) .name) -}}
{{- end }}
