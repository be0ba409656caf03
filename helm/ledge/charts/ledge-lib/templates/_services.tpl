{{/* Which services there are, each with its defaults filled in; and what the programs are. */}}

{{/* Ledge's programs: how they are spoken to, and the names that gRPC's health service knows them by. */}}
{{- define "ledge.modules" -}}
asr: { protocol: grpc, health: ledge.asr.v1.AsrService }
tts: { protocol: grpc, health: ledge.tts.v1.TtsService }
translation: { protocol: grpc, health: ledge.translation.v1.TranslationService }
llm: { protocol: grpc, health: ledge.llm.v1.LlmService }
embedding: { protocol: grpc, health: ledge.embedding.v1.EmbeddingService }
retrieval: { protocol: grpc, health: ledge.retrieval.v1.RetrievalService }
reranking: { protocol: grpc, health: ledge.reranking.v1.RerankingService }
rag: { protocol: grpc, health: ledge.rag.v1.RagService }
voice: { protocol: grpc, health: ledge.voice.v1.VoiceService }
hybrid: { protocol: grpc, health: ledge.llm.v1.LlmService }
riva: { protocol: grpc, health: nvidia.riva.asr.RivaSpeechRecognition }
gateway: { protocol: http }
wyoming: { protocol: tcp }
{{- end }}

{{/*
Every service that is enabled, as YAML: name → its values over the defaults, and
  module, protocol, health   of its program
  port                       where it is called: gRPC 50051, the gateway 8000, wyoming 10300
  peers                      [{role, service}]: what it calls and is there
  graceSeconds               from the order to end to the kill
*/}}
{{- define "ledge.services" -}}
{{- /* Asked for some two hundred times a render: worked out once, and kept where all templates look. */ -}}
{{- if not (hasKey .Values "servicesMade") }}{{ $_ := set .Values "servicesMade" (include "ledge.makeServices" .) }}{{ end -}}
{{ .Values.servicesMade }}
{{- end }}

{{- define "ledge.makeServices" -}}
{{- $root := . -}}
{{- $modules := include "ledge.modules" . | fromYaml -}}
{{- $services := dict -}}
{{- range $name, $given := .Values.services -}}
{{-   $service := deepCopy $root.Values.defaults -}}
{{-   range $key, $value := $given | default dict -}}
{{-     $default := get $service $key -}}
{{-     if and (kindIs "map" $value) (kindIs "map" $default) -}}
{{-       range $inner, $innerValue := $value }}{{ $_ := set $default $inner $innerValue }}{{ end -}}
{{-     else -}}
{{-       $_ := set $service $key $value -}}
{{-     end -}}
{{-   end -}}
{{-   if $service.enabled }}{{ $_ := set $services $name $service }}{{ end -}}
{{- end -}}
{{- range $name, $service := $services -}}
{{-   $module := $service.module | default $name -}}
{{-   $program := get $modules $module | default dict -}}
{{-   $protocol := $program.protocol | default "grpc" -}}
{{-   $_ := set $service "module" $module -}}
{{-   $_ := set $service "known" (hasKey $modules $module) -}}
{{-   $_ := set $service "protocol" $protocol -}}
{{-   $_ := set $service "health" ($program.health | default "") -}}
{{-   $_ := set $service "port" (get (dict "grpc" 50051 "http" 8000 "tcp" 10300) $protocol) -}}
{{-   $peers := list -}}
{{-   $absent := list -}}
{{-   range $call := $service.calls -}}
{{-     $target := trimSuffix "?" $call -}}
{{-     $role := regexReplaceAll "=.*$" $target "" -}}
{{-     $callee := regexReplaceAll "^.*=" $target "" -}}
{{-     if hasKey $services $callee -}}
{{-       $peers = append $peers (dict "role" $role "service" $callee) -}}
{{-     else if not (hasSuffix "?" $call) -}}
{{-       $absent = append $absent $callee -}}
{{-     end -}}
{{-   end -}}
{{-   $_ := set $service "peers" $peers -}}
{{-   $_ := set $service "absentPeers" $absent -}}
{{-   $least := add $service.preStopSeconds $service.settleSeconds $service.drainSeconds 5 -}}
{{-   $_ := set $service "leastGraceSeconds" $least -}}
{{-   $_ := set $service "graceSeconds" ($service.terminationGracePeriodSeconds | default $least) -}}
{{-   $usesGpu := and (ne $root.Values.gpu.mode "none") (gt (int $service.gpu.memoryMiB) 0) -}}
{{-   $_ := set $service "usesGpu" $usesGpu -}}
{{-   $_ := set $service "modelIds" (include "ledge.modelIds" $service.model | fromYamlArray) -}}
{{- end -}}
{{ toYaml $services }}
{{- end }}

{{/* "a, b" → the list of both, as YAML. */}}
{{- define "ledge.modelIds" -}}
{{- $ids := list -}}
{{- range splitList "," (toString .) }}{{ with trim . }}{{ $ids = append $ids . }}{{ end }}{{ end -}}
{{ toYaml $ids }}
{{- end }}

{{/* Models of all services and the extra ones, each once, as YAML. */}}
{{- define "ledge.allModels" -}}
{{- $ids := list -}}
{{- range include "ledge.services" . | fromYaml -}}
{{-   $ids = concat $ids (.modelIds | default list) -}}
{{- end -}}
{{ toYaml (concat $ids .Values.models.extra | uniq | sortAlpha) }}
{{- end }}

{{/* The call graph as lines "rag → embedding, retrieval". */}}
{{- define "ledge.graph" -}}
{{- range $name, $service := include "ledge.services" . | fromYaml }}
{{- $names := list }}
{{- range $service.peers }}{{ $names = append $names (eq .role .service | ternary .service (printf "%s as %s" .service .role)) }}{{ end }}
{{- if $names }}
  {{ printf "%-10s" $name }} → {{ join ", " $names }}
{{- end }}
{{- end }}
{{- end }}
