{{/*
Turns at loading on a GPU (gpu.loadingTurns): pods that use one hold a Lease for it while they load, so they, and only
they, may speak to Kubernetes.
*/}}

{{/* "yes" where a service takes turns, else nothing: dict root, service. */}}
{{- define "ledge.takesTurns" -}}
{{- if and .root.Values.gpu.loadingTurns.enabled .service.usesGpu }}yes{{ end -}}
{{- end }}

{{/* The account of those pods. */}}
{{- define "ledge.loadingAccount" -}}
{{ include "ledge.fullname" . }}-loading
{{- end }}

{{/* How long a pod may take until it serves, its turn included: dict root, service. */}}
{{- define "ledge.startupSeconds" -}}
{{- $seconds := int .service.startupTimeoutSeconds -}}
{{- if include "ledge.takesTurns" . }}{{ $seconds = add $seconds (int .root.Values.gpu.loadingTurns.waitSeconds) }}{{ end -}}
{{ $seconds }}
{{- end }}
