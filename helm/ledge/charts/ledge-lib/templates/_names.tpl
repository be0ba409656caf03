{{/* Names and labels, the same everywhere. */}}

{{- define "ledge.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains $name .Release.Name -}}
{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" }}
{{- end -}}
{{- end }}

{{/* What tells the release's pods from others: dict root. */}}
{{- define "ledge.selector" -}}
app.kubernetes.io/name: {{ default .root.Chart.Name .root.Values.nameOverride }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- end }}

{{/* What tells one component's pods: dict root, component. */}}
{{- define "ledge.componentSelector" -}}
{{ include "ledge.selector" . }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* Labels of an object: dict root, component (empty for the release's own). */}}
{{- define "ledge.labels" -}}
{{ include "ledge.selector" . }}
{{- with .component }}
app.kubernetes.io/component: {{ . }}
{{- end }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/part-of: ledge
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* An image's full name: dict root, image (repository, variant, tag, digest), name (where the repository is empty). */}}
{{- define "ledge.image" -}}
{{- $values := .root.Values -}}
{{- $image := .image | default dict -}}
{{- $repository := $image.repository | default (printf "%s/%s" $values.image.prefix .name) -}}
{{- if and $image.variant (not $image.repository) }}{{ $repository = printf "%s-%s" $repository $image.variant }}{{ end -}}
{{- if not (regexMatch "^([^/]*[.:][^/]*|localhost)/" $repository) }}
{{- with $values.global.imageRegistry }}{{ trimSuffix "/" . }}/{{ end -}}
{{- end -}}
{{- if $image.digest -}}
{{ $repository }}@{{ $image.digest }}
{{- else -}}
{{ $repository }}:{{ coalesce $image.tag $values.image.tag .root.Chart.AppVersion }}
{{- end -}}
{{- end }}

{{/* A value of an environment variable as text; YAML's numbers reach templates as floats. */}}
{{- define "ledge.text" -}}
{{- if and (kindIs "float64" .) (eq . (floor .)) -}}{{ printf "%.0f" . }}{{- else -}}{{ toString . }}{{- end -}}
{{- end }}
