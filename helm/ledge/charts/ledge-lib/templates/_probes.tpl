{{/*
Probes of a service: dict root, service. Started when it serves, within its own time; ready while it serves; alive
while its process answers, loaded or not. gRPC's own health is asked, over the plaintext port where calls are TLS; a
door that speaks another protocol is asked where it is managed.
*/}}
{{- define "ledge.probes" -}}
{{- $service := .service -}}
{{- $tls := .root.Values.tls.enabled -}}
startupProbe:
  {{- include "ledge.probe" (dict "service" $service "tls" $tls "ready" true) | nindent 2 }}
  periodSeconds: 1
  timeoutSeconds: 2
  failureThreshold: {{ include "ledge.startupSeconds" . }}
readinessProbe:
  {{- include "ledge.probe" (dict "service" $service "tls" $tls "ready" true) | nindent 2 }}
  # One that is merely busy keeps its callers: whom it cannot serve it refuses itself, and says when to come again.
  periodSeconds: 2
  timeoutSeconds: 5
  failureThreshold: 5
livenessProbe:
  {{- include "ledge.probe" (dict "service" $service "tls" $tls "ready" false) | nindent 2 }}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
{{- end }}

{{- define "ledge.probe" -}}
{{- if eq .service.protocol "grpc" -}}
grpc:
  port: {{ .tls | ternary 50052 50051 }}
  {{- if .ready }}
  service: {{ .service.health }}
  {{- end }}
{{- else -}}
httpGet:
  path: /v1/health/{{ .ready | ternary "ready" "live" }}
  port: 8000
  scheme: {{ and .tls (eq .service.protocol "http") | ternary "HTTPS" "HTTP" }}
{{- end -}}
{{- end }}
