{{/* The models' volume: filled once by a Job, read by everybody. */}}

{{- define "ledge.modelsClaim" -}}
{{- .Values.models.persistence.existingClaim | default (printf "%s-models" (include "ledge.fullname" .)) -}}
{{- end }}

{{/* Volumes of a pod that reads models, as a list: dict root, service. */}}
{{- define "ledge.modelVolumes" -}}
{{- $volumes := list -}}
{{- if .service.modelIds -}}
{{-   $claim := dict "claimName" (include "ledge.modelsClaim" .root) "readOnly" true -}}
{{-   $volumes = append $volumes (dict "name" "models" "persistentVolumeClaim" $claim) -}}
{{-   with .root.Values.models.catalog -}}
{{-     $items := list (dict "key" .key "path" "models.yaml") -}}
{{-     $volumes = append $volumes (dict "name" "catalog" "configMap" (dict "name" .name "items" $items)) -}}
{{-   end -}}
{{- end -}}
{{ toYaml $volumes }}
{{- end }}

{{/*
An init container that ends when the service's models are there, and tells how far they are: dict root, service. Where
nobody will bring them it fails at once and names the files.
*/}}
{{- define "ledge.waitForModels" -}}
{{- $models := .root.Values.models -}}
{{- if .service.modelIds }}
- name: models
  image: {{ include "ledge.image" (dict "root" .root "image" .root.Values.cli.image "name" "cli") }}
  imagePullPolicy: {{ .root.Values.image.pullPolicy }}
  command: [ledge, models, wait]
  args:
    {{- if and $models.offline (not $models.bundle) }}
    - --for-s=0
    {{- end }}
    {{- range .service.modelIds }}
    - {{ . }}
    {{- end }}
  env:
    {{- include "ledge.commonEnvironment" . | nindent 4 }}
    - name: LEDGE_MODELS_DIR
      value: /models
    {{- if $models.catalog }}
    - name: LEDGE_MODELS_CATALOG
      value: /etc/ledge/catalog/models.yaml
    {{- end }}
    - name: LEDGE_OFFLINE
      value: "1"
  resources:
    {{- toYaml $models.resources | nindent 4 }}
  securityContext:
    {{- include "ledge.containerSecurity" . | nindent 4 }}
  volumeMounts:
    - name: tmp
      mountPath: /tmp
    - name: models
      mountPath: /models
      readOnly: true
    {{- if $models.catalog }}
    - name: catalog
      mountPath: /etc/ledge/catalog
      readOnly: true
    {{- end }}
{{- end }}
{{- end }}

{{/* The Job that fills the volume and proves it: dict root, models (their ids). */}}
{{- define "ledge.modelsJob" -}}
{{- $root := .root -}}
{{- $models := $root.Values.models -}}
{{- $job := include "ledge.modelsPod" . -}}
apiVersion: batch/v1
kind: Job
metadata:
  # A Job cannot be changed: another list of models is another Job.
  name: {{ include "ledge.fullname" $root }}-models-{{ sha256sum $job | trunc 8 }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "ledge.labels" (dict "root" $root "component" "models") | nindent 4 }}
spec:
  backoffLimit: {{ and $models.offline (not $models.bundle) | ternary 0 20 }}
  template:
    {{- $job | nindent 4 }}
{{- end }}

{{- define "ledge.modelsPod" -}}
{{- $root := .root -}}
{{- $values := $root.Values -}}
{{- $models := $values.models -}}
{{- $volumes := list (dict "name" "models" "persistentVolumeClaim" (dict "claimName" (include "ledge.modelsClaim" $root))) -}}
{{- with $models.catalog -}}
{{-   $items := list (dict "key" .key "path" "models.yaml") -}}
{{-   $volumes = append $volumes (dict "name" "catalog" "configMap" (dict "name" .name "items" $items)) -}}
{{- end -}}
{{- include "ledge.pod" (dict
      "root" $root
      "component" "models"
      "containers" (include "ledge.modelsContainer" . | trim)
      "volumes" $volumes
      "tmpSize" "8Gi"
      "restartPolicy" (and $models.offline (not $models.bundle) | ternary "Never" "OnFailure")
    ) }}
{{- end }}

{{- define "ledge.modelsContainer" -}}
{{- $root := .root -}}
{{- $models := $root.Values.models -}}
- name: models
  image: {{ include "ledge.image" (dict "root" $root "image" $root.Values.cli.image "name" "cli") }}
  imagePullPolicy: {{ $root.Values.image.pullPolicy }}
  {{- if $models.bundle }}
  command: [ledge, models, import, /models/{{ $models.bundle }}]
  {{- else if $models.offline }}
  command: [ledge, models, verify]
  {{- else }}
  command: [ledge, models, pull{{ if $models.pin }}, --pin{{ end }}]
  {{- end }}
  {{- if not $models.bundle }}
  args:
    {{- toYaml .models | nindent 4 }}
  {{- end }}
  env:
    {{- include "ledge.commonEnvironment" . | nindent 4 }}
    - name: LEDGE_MODELS_DIR
      value: /models
    {{- if $models.catalog }}
    - name: LEDGE_MODELS_CATALOG
      value: /etc/ledge/catalog/models.yaml
    {{- end }}
    {{- if $models.offline }}
    - name: LEDGE_OFFLINE
      value: "1"
    {{- end }}
    {{- range $name, $value := $models.env }}
    {{- if not (kindIs "invalid" $value) }}
    - name: {{ $name }}
      value: {{ include "ledge.text" $value | quote }}
    {{- end }}
    {{- end }}
    {{- with $models.hubToken }}
    - name: LEDGE_HUB_TOKEN
      valueFrom:
        secretKeyRef:
          name: {{ .name }}
          key: {{ .key }}
    {{- end }}
  resources:
    {{- toYaml $models.resources | nindent 4 }}
  securityContext:
    {{- include "ledge.containerSecurity" . | nindent 4 }}
  volumeMounts:
    - name: tmp
      mountPath: /tmp
    - name: models
      mountPath: /models
    {{- if $models.catalog }}
    - name: catalog
      mountPath: /etc/ledge/catalog
      readOnly: true
    {{- end }}
{{- end }}
