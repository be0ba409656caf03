{{/* The environment of a service's container, each variable once: dict root, name, service → a list for `env`. */}}
{{- define "ledge.environment" -}}
{{- $values := .root.Values -}}
{{- $service := .service -}}
{{- $env := dict
      "HOME" "/tmp"
      "PYTHONSAFEPATH" "1"
      "LEDGE_HOST" "0.0.0.0"
      "LEDGE_PORT" (toString $service.port)
      "LEDGE_LOG_LEVEL" $values.logging.level
      "LEDGE_SETTLE_S" (toString $service.settleSeconds)
      "LEDGE_DRAIN_S" (toString $service.drainSeconds)
-}}
{{- if ne $service.protocol "http" }}{{ $_ := set $env "LEDGE_OPS_PORT" "8000" }}{{ end -}}
{{- with $service.engine }}{{ $_ := set $env "LEDGE_ENGINE" . }}{{ end -}}
{{- if $service.modelIds -}}
{{-   $_ := set $env "LEDGE_MODEL" (join "," $service.modelIds) -}}
{{-   $_ := set $env "LEDGE_MODELS_DIR" "/models" -}}
{{-   $_ := set $env "LEDGE_OFFLINE" "1" -}}
{{-   if $values.models.catalog }}{{ $_ := set $env "LEDGE_MODELS_CATALOG" "/etc/ledge/catalog/models.yaml" }}{{ end -}}
{{- end -}}
{{- if or $service.persistence.enabled (eq $service.module "retrieval") }}{{ $_ := set $env "LEDGE_DATA_DIR" "/data" }}{{ end -}}
{{- $services := include "ledge.services" .root | fromYaml -}}
{{- $awaited := list -}}
{{- range $service.peers -}}
{{-   $callee := dict "root" $.root "name" .service "service" (get $services .service) -}}
{{-   $address := include "ledge.address" $callee -}}
{{-   $_ := set $env (printf "LEDGE_%s_ADDRESS" (.role | upper | replace "-" "_")) $address -}}
{{-   if include "ledge.isAwaited" $callee }}{{ $awaited = append $awaited $address }}{{ end -}}
{{- end -}}
{{- $_ := set $env "LEDGE_CONNECTION_AGE_S" (toString $service.connectionAgeSeconds) -}}
{{- if $service.peers }}{{ $_ := set $env "LEDGE_PEER_WAIT_S" (toString $service.peerWaitSeconds) }}{{ end -}}
{{- if $awaited }}{{ $_ := set $env "LEDGE_AWAITED_PEERS" ($awaited | uniq | join ",") }}{{ end -}}
{{- if and (eq $service.module "gateway") (include "ledge.wokenServices" (dict "services" $services) | fromYamlArray) -}}
{{-   $_ := set $env "LEDGE_SCALER_PORT" "50053" -}}
{{- end -}}
{{- with $values.telemetry.otlpEndpoint }}{{ $_ := set $env "OTEL_EXPORTER_OTLP_ENDPOINT" . }}{{ end -}}
{{- if include "ledge.takesTurns" . -}}
{{-   $_ := set $env "LEDGE_LOADING_LEASE" (printf "%s-gpu" (include "ledge.fullname" .root)) -}}
{{-   $_ := set $env "LEDGE_LOADING_RELEASE" .root.Release.Name -}}
{{-   $_ := set $env "LEDGE_LOADING_WAIT_S" (int $values.gpu.loadingTurns.waitSeconds | toString) -}}
{{- end -}}
{{- $secrets := dict -}}
{{- if $values.auth.existingSecret -}}
{{-   $_ := set $env "LEDGE_API_KEYS_FILE" "/etc/ledge/keys/keys" -}}
{{-   $_ := set $secrets "LEDGE_PEER_API_KEY" (dict "name" $values.auth.existingSecret "key" "peer") -}}
{{- end -}}
{{- if $values.tls.enabled -}}
{{-   $_ := set $env "LEDGE_TLS_CERT_FILE" "/etc/ledge/tls/tls.crt" -}}
{{-   $_ := set $env "LEDGE_TLS_KEY_FILE" "/etc/ledge/tls/tls.key" -}}
{{-   $_ := set $env "LEDGE_TLS_CA_FILE" "/etc/ledge/tls/ca.crt" -}}
{{-   if eq $service.protocol "grpc" }}{{ $_ := set $env "LEDGE_HEALTH_PORT" "50052" }}{{ end -}}
{{-   if and $values.tls.mutual (not $service.exposed) -}}
{{-     $_ := set $env "LEDGE_TLS_CLIENT_CA_FILE" "/etc/ledge/tls/ca.crt" -}}
{{-   end -}}
{{- end -}}
{{- range $name, $value := include "ledge.gpuEnvironment" . | fromYaml }}{{ $_ := set $env $name $value }}{{ end -}}
{{- range $name, $value := $service.env -}}
{{- /* null takes back what values below it say, and what the chart works out stays. */ -}}
{{-   if not (kindIs "invalid" $value) }}{{ $_ := set $env $name (include "ledge.text" $value) }}{{ end -}}
{{- end -}}
{{- range $name, $from := $service.envSecrets }}{{ $_ := unset $env $name }}{{ $_ := set $secrets $name $from }}{{ end -}}
{{- range $name, $value := $env }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- if include "ledge.takesTurns" . }}
- name: LEDGE_NODE_NAME
  valueFrom:
    fieldRef:
      fieldPath: spec.nodeName
{{- end }}
{{- range $name, $from := $secrets }}
- name: {{ $name }}
  valueFrom:
    secretKeyRef:
      name: {{ $from.name }}
      key: {{ $from.key }}
{{- end }}
{{- end }}

{{/* What every container of the command line has: a place to write, from which no program is taken. */}}
{{- define "ledge.commonEnvironment" -}}
- name: HOME
  value: /tmp
- name: PYTHONSAFEPATH
  value: "1"
{{- end }}

{{/*
Whether calls wait for it where it is not there: it is replaced rather than rolled, or may be scaled to nothing: dict
root, service → "yes" or nothing.
*/}}
{{- define "ledge.isAwaited" -}}
{{- $sleeps := and (eq .service.autoscaling.kind "keda") (eq (int .service.autoscaling.minReplicas) 0) -}}
{{- if or $sleeps (include "ledge.recreates" .) }}yes{{ end -}}
{{- end }}

{{/*
Where a service is called: dict root, name, service. Of one that may be away for a while the name without pods would be
unknown, and gRPC asks for an unknown name ever more seldom; its second Service has an address that stays.
*/}}
{{- define "ledge.address" -}}
{{ include "ledge.fullname" .root }}-{{ .name }}{{ if include "ledge.isAwaited" . }}-steady{{ end }}:{{ .service.port }}
{{- end }}

{{/*
What `env` and `envSecrets` may not set, since the rest of the release is made from the same value: variable → where it is
said. What is not here may be set: the address that a service listens on, its log level, its share of a GPU (checked).
*/}}
{{- define "ledge.workedOut" -}}
LEDGE_ENGINE: services.<name>.engine
LEDGE_MODEL: services.<name>.model
LEDGE_SETTLE_S: services.<name>.settleSeconds
LEDGE_DRAIN_S: services.<name>.drainSeconds
LEDGE_PEER_WAIT_S: services.<name>.peerWaitSeconds
LEDGE_CONNECTION_AGE_S: services.<name>.connectionAgeSeconds
LEDGE_AWAITED_PEERS: services.<name>.calls
LEDGE_DATA_DIR: services.<name>.persistence
LEDGE_MODELS_DIR: models.persistence
NIM_CACHE_PATH: models.persistence
LEDGE_MODELS_CATALOG: models.catalog
LEDGE_OFFLINE: models.offline
NIM_DISABLE_MODEL_DOWNLOAD: models.offline
LEDGE_API_KEYS_FILE: auth.existingSecret
LEDGE_TLS_CERT_FILE: tls
LEDGE_TLS_KEY_FILE: tls
LEDGE_TLS_CA_FILE: tls
LEDGE_TLS_CLIENT_CA_FILE: tls.mutual
NIM_SSL_CERTS_PATH: tls
NIM_SSL_KEY_PATH: tls
NIM_SSL_CA_CERTS_PATH: tls
LEDGE_LOADING_LEASE: gpu.loadingTurns
LEDGE_LOADING_RELEASE: gpu.loadingTurns
LEDGE_LOADING_WAIT_S: gpu.loadingTurns.waitSeconds
LEDGE_NODE_NAME: gpu.loadingTurns
NVIDIA_VISIBLE_DEVICES: gpu.mode and services.<name>.gpu
NVIDIA_DRIVER_CAPABILITIES: gpu.mode
CUDA_MPS_PINNED_DEVICE_MEM_LIMIT: services.<name>.gpu.memoryMiB
OTEL_EXPORTER_OTLP_ENDPOINT: telemetry.otlpEndpoint
{{- end }}

{{/* Faults of a service's own variables, as a YAML list: dict root, name, service. */}}
{{- define "ledge.validateEnvironment" -}}
{{- $name := .name -}}
{{- $service := .service -}}
{{- $open := or $service.egress (not .root.Values.networkPolicy.enabled) -}}
{{- $workedOut := include "ledge.workedOut" . | fromYaml -}}
{{- $roles := list -}}
{{- range $service.peers }}{{ $roles = append $roles (.role | upper | replace "-" "_") }}{{ end -}}
{{- $faults := list -}}
{{- range $place := list "env" "envSecrets" -}}
{{-   range $variable, $value := get $service $place -}}
{{-     $told := printf "services.%s.%s.%s" $name $place $variable -}}
{{-     if kindIs "invalid" $value -}}
{{- /*    Nothing is set: it takes back what values below it say. */ -}}
{{-     else if hasKey $workedOut $variable -}}
{{-       $faults = append $faults (printf "%s is worked out from %s: set that" $told (get $workedOut $variable | replace "<name>" $name)) -}}
{{-     else if regexMatch "^(LEDGE_((OPS|HEALTH|SCALER)_)?|NIM_(GRPC_API|HTTP_API|SERVER)_)PORT$" $variable -}}
{{-       $faults = append $faults (printf "%s is fixed, for probes, Services and NetworkPolicies name the ports: leave it out; another port outside is the Service's (services.%s.service)" $told $name) -}}
{{-     else if regexMatch "^LEDGE_[A-Z0-9_]+_ADDRESS$" $variable -}}
{{-       $role := $variable | trimPrefix "LEDGE_" | trimSuffix "_ADDRESS" -}}
{{-       if has $role $roles -}}
{{-         $faults = append $faults (printf "%s is worked out from services.%s.calls: write the call there as \"%s=<service>\"" $told $name (lower $role | replace "_" "-")) -}}
{{-       else if not $open -}}
{{-         $faults = append $faults (printf "%s leads where no NetworkPolicy lets it: name the service in services.%s.calls, or the way to one outside of the release in services.%s.egress" $told $name $name) -}}
{{-       end -}}
{{-     else if and (eq $place "env") (regexMatch "(KEY|KEYS|TOKEN|SECRET|PASSWORD)$" $variable) $value -}}
{{-       $faults = append $faults (printf "%s looks like a secret: put it into a Secret, and name that in services.%s.envSecrets.%s" $told $name $variable) -}}
{{-     end -}}
{{-   end -}}
{{- end -}}
{{ toYaml $faults }}
{{- end }}
