{{/*
A service's NetworkPolicy, made from the call graph: dict root, name, service, services. In: who calls it, the tests,
its clients, and on the management port whoever reads metrics. Out: what it calls, and names.
*/}}
{{- define "ledge.networkPolicy" -}}
{{- $root := .root -}}
{{- $name := .name -}}
{{- $service := .service -}}
{{- $policy := $root.Values.networkPolicy -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "ledge.fullname" $root }}-{{ $name }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "ledge.labels" (dict "root" $root "component" $name) | nindent 4 }}
spec:
  podSelector:
    matchLabels:
      {{- include "ledge.componentSelector" (dict "root" $root "component" $name) | nindent 6 }}
  policyTypes: [Ingress, Egress]
  ingress:
    {{- if $service.exposed }}
    - ports:
        - port: {{ $service.port }}
    {{- else }}
    - from:
        {{- range $caller, $calling := .services }}
        {{- range $calling.peers }}
        {{- if eq .service $name }}
        - podSelector:
            matchLabels:
              {{- include "ledge.componentSelector" (dict "root" $root "component" $caller) | nindent 14 }}
        {{- end }}
        {{- end }}
        {{- end }}
        - podSelector:
            matchLabels:
              {{- include "ledge.componentSelector" (dict "root" $root "component" "test") | nindent 14 }}
        {{- with $service.clients }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      ports:
        - port: {{ $service.port }}
    {{- end }}
    {{- if and (eq $name "gateway") (include "ledge.wokenServices" . | fromYamlArray) }}
    - from:
        {{- toYaml $policy.kedaFrom | nindent 8 }}
      ports:
        - port: 50053
    {{- end }}
    {{- if $policy.metricsFrom }}
    - from:
        {{- toYaml $policy.metricsFrom | nindent 8 }}
      ports:
        - port: 8000
    {{- end }}
  egress:
    {{- include "ledge.dnsEgress" $root | nindent 4 }}
    {{- range $service.peers }}
    - to:
        - podSelector:
            matchLabels:
              {{- include "ledge.componentSelector" (dict "root" $root "component" .service) | nindent 14 }}
      ports:
        - port: {{ (get $.services .service).port }}
    {{- end }}
    {{- if include "ledge.takesTurns" . }}
    - {{ with $policy.kubernetesTo }}to:
        {{- toYaml . | nindent 8 }}
      {{ end }}ports:
        - port: 443
        - port: 6443
    {{- end }}
    {{- with include "ledge.telemetryEgress" $root }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- with $service.egress }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}

{{- define "ledge.dnsEgress" -}}
- {{ with .Values.networkPolicy.dns.to }}to:
    {{- toYaml . | nindent 4 }}
  {{ end }}ports:
    - { port: 53, protocol: UDP }
    - { port: 53, protocol: TCP }
{{- end }}

{{- define "ledge.telemetryEgress" -}}
{{- with .Values.telemetry.otlpEndpoint -}}
- {{ with $.Values.telemetry.to }}to:
    {{- toYaml . | nindent 4 }}
  {{ end }}ports:
    - port: {{ regexFind ":[0-9]+" (regexReplaceAll "^[a-z]+://" . "") | trimPrefix ":" | default "4317" | int }}
{{- end -}}
{{- end }}

{{/*
Ports that the models' Job may call, as a YAML list: HTTPS, and those of the proxies, hubs and indexes that `models.env`
names.
*/}}
{{- define "ledge.modelsPorts" -}}
{{- $ports := list 443 -}}
{{- range $name, $value := .Values.models.env -}}
{{-   range $address := splitList " " (toString $value) -}}
{{-     $isProxy := and (regexMatch "(?i)_PROXY$" $name) (not (regexMatch "(?i)^NO_PROXY$" $name)) -}}
{{-     if and $address (or $isProxy (regexMatch "^[a-z0-9+]+://" $address)) (not (kindIs "invalid" $value)) -}}
{{-       $scheme := regexFind "^[a-z0-9+]+://" $address | trimSuffix "://" | default "http" -}}
{{-       $host := regexReplaceAll "^[a-z0-9+]+://" $address "" | regexFind "^[^/?#]*" -}}
{{-       $port := regexFind ":[0-9]+$" $host | trimPrefix ":" -}}
{{-       $usual := hasPrefix "socks" $scheme | ternary "1080" (eq $scheme "https" | ternary "443" "80") -}}
{{-       $ports = append $ports ($port | default $usual | int) -}}
{{-     end -}}
{{-   end -}}
{{- end -}}
{{ toYaml ($ports | uniq) }}
{{- end }}
