{{/*
How services share GPUs, by gpu.mode:

  none          nobody uses one
  shared        pods are shown their GPUs by the container runtime; the ledger alone keeps them apart, GPU by GPU
  exclusive     whole GPUs, by the device plugin
  timeSlicing   turns on a GPU, by the device plugin's replicas
  mps           at the same time, by the device plugin's MPS daemon, which also holds each to its memory
  mig           an instance of the hardware's own partitioning
  dra           one claim of all the GPUs, by dynamic resource allocation, shared by the pods

The ledger adds up what the services take, replicas included, and is printed in the notes; validation refuses what does
not fit.
*/}}

{{/* Most pods of a service at a time: dict service. */}}
{{- define "ledge.mostReplicas" -}}
{{- if eq .service.autoscaling.kind "none" }}{{ int .service.replicas }}{{ else }}{{ int .service.autoscaling.maxReplicas }}{{ end -}}
{{- end }}

{{/* The sum of the ledger in MiB over all GPUs. */}}
{{- define "ledge.gpuTakenMiB" -}}
{{- $taken := 0 -}}
{{- range include "ledge.services" . | fromYaml -}}
{{-   if .usesGpu -}}
{{-     $taken = add $taken (mul (int .gpu.memoryMiB) (int .gpu.count) (int (include "ledge.mostReplicas" (dict "service" .)))) -}}
{{-   end -}}
{{- end -}}
{{ $taken }}
{{- end }}

{{/* GPUs that are asked for in mode exclusive. */}}
{{- define "ledge.gpusTaken" -}}
{{- $taken := 0 -}}
{{- range include "ledge.services" . | fromYaml -}}
{{-   if .usesGpu -}}
{{-     $taken = add $taken (mul (int .gpu.count) (int (include "ledge.mostReplicas" (dict "service" .)))) -}}
{{-   end -}}
{{- end -}}
{{ $taken }}
{{- end }}

{{/* The ledger as lines of text. */}}
{{- define "ledge.gpuLedger" -}}
{{- $gpu := .Values.gpu -}}
{{- $all := mul (int $gpu.count) (int $gpu.totalMemoryMiB) -}}
{{- $taken := int (include "ledge.gpuTakenMiB" .) -}}
{{- range $name, $service := include "ledge.services" . | fromYaml }}
{{- if $service.usesGpu }}
{{- $replicas := int (include "ledge.mostReplicas" (dict "service" $service)) }}
  {{ printf "%-12s %6d MiB × %d GPU × %d pod = %7d MiB" $name (int $service.gpu.memoryMiB) (int $service.gpu.count) $replicas (mul (int $service.gpu.memoryMiB) (int $service.gpu.count) $replicas) }}
{{- end }}
{{- end }}
  {{ printf "%-12s %d MiB of %d × %d = %d MiB, %d free" "in all" $taken (int $gpu.count) (int $gpu.totalMemoryMiB) $all (sub $all $taken) }}
{{- end }}

{{/* "yes" where the next pod would not fit beside the last one: dict root, service. */}}
{{- define "ledge.gpuRecreates" -}}
{{- $gpu := .root.Values.gpu -}}
{{- $root := .root -}}
{{- $needed := int .service.gpu.memoryMiB -}}
{{- $recreates := has $gpu.mode (list "exclusive" "mig") -}}
{{- if eq $gpu.mode "shared" -}}
{{-   range include "ledge.gpuDevices" . | splitList "," -}}
{{-     $free := sub (int $gpu.totalMemoryMiB) (int (include "ledge.deviceTakenMiB" (dict "root" $root "device" .))) -}}
{{-     if lt (int $free) $needed }}{{ $recreates = true }}{{ end -}}
{{-   end -}}
{{- else -}}
{{-   $free := sub (mul (int $gpu.count) (int $gpu.totalMemoryMiB)) (int (include "ledge.gpuTakenMiB" .root)) -}}
{{-   if lt (int $free) (mul $needed (int .service.gpu.count) | int) }}{{ $recreates = true }}{{ end -}}
{{- end -}}
{{- if $recreates }}yes{{ end -}}
{{- end }}

{{/* What of a pod depends on its GPU: runtimeClassName, resourceClaims. */}}
{{- define "ledge.gpuPod" -}}
{{- $gpu := .root.Values.gpu -}}
{{- if .service.usesGpu -}}
runtimeClassName: {{ $gpu.runtimeClassName | quote }}
{{- if eq $gpu.mode "dra" }}
resourceClaims:
  - name: gpu
    resourceClaimName: {{ include "ledge.fullname" .root }}-gpu
{{- end }}
{{- else -}}
runtimeClassName: ""
{{- end -}}
{{- end }}

{{/* The container's resources with its devices. */}}
{{- define "ledge.gpuResources" -}}
{{- $gpu := .root.Values.gpu -}}
{{- $resources := deepCopy .service.resources -}}
{{- if .service.usesGpu -}}
{{-   if has $gpu.mode (list "exclusive" "timeSlicing" "mps") -}}
{{-     $limits := $resources.limits | default dict -}}
{{-     $_ := set $limits $gpu.resourceName (int .service.gpu.count) -}}
{{-     $_ := set $resources "limits" $limits -}}
{{-   else if eq $gpu.mode "mig" -}}
{{-     $limits := $resources.limits | default dict -}}
{{-     $_ := set $limits (printf "nvidia.com/mig-%s" .service.gpu.migProfile) 1 -}}
{{-     $_ := set $resources "limits" $limits -}}
{{-   else if eq $gpu.mode "dra" -}}
{{-     $_ := set $resources "claims" (list (dict "name" "gpu")) -}}
{{-   end -}}
{{- end -}}
{{ toYaml $resources }}
{{- end }}

{{/* The budget as the engines take it: vLLM a share of each GPU, MPS bytes. */}}
{{- define "ledge.gpuEnvironment" -}}
{{- $gpu := .root.Values.gpu -}}
{{- if .service.usesGpu }}
{{- if eq $gpu.mode "shared" }}
NVIDIA_VISIBLE_DEVICES: {{ include "ledge.gpuDevices" . | quote }}
NVIDIA_DRIVER_CAPABILITIES: compute,utility
{{- end }}
{{- if eq $gpu.mode "mps" }}
CUDA_MPS_PINNED_DEVICE_MEM_LIMIT: "0={{ int .service.gpu.memoryMiB }}M"
{{- end }}
{{- if eq .service.engine "vllm" }}
LEDGE_GPU_MEMORY_SHARE: {{ include "ledge.gpuShare" . | quote }}
{{- if gt (int .service.gpu.count) 1 }}
LEDGE_TENSOR_PARALLEL: {{ int .service.gpu.count | toString | quote }}
{{- end }}
{{- end }}
{{- else }}
{}
{{- end }}
{{- end }}

{{/* A service's budget as a share of each GPU it uses, in hundredths rounded down. */}}
{{- define "ledge.gpuShare" -}}
{{- $total := include "ledge.deviceMiB" . | int -}}
{{- $hundredths := div (mul 100 (int .service.gpu.memoryMiB)) $total -}}
{{ printf "%d.%02d" (div $hundredths 100) (mod $hundredths 100) }}
{{- end }}

{{/* Memory of the device that a service sees: a GPU, or its instance of one. */}}
{{- define "ledge.deviceMiB" -}}
{{- if and (eq .root.Values.gpu.mode "mig") .service.gpu.migProfile -}}
{{ mul 1024 (int (regexReplaceAll "^.*\\.([0-9]+)gb.*$" .service.gpu.migProfile "${1}")) }}
{{- else -}}
{{ max 1 (int .root.Values.gpu.totalMemoryMiB) }}
{{- end -}}
{{- end }}

{{/* The GPUs that a service is shown in mode shared, "0,1": dict service. */}}
{{- define "ledge.gpuDevices" -}}
{{- $devices := list -}}
{{- range untilStep (int .service.gpu.device) (int (add .service.gpu.device .service.gpu.count)) 1 }}{{ $devices = append $devices (toString .) }}{{ end -}}
{{ join "," $devices }}
{{- end }}

{{/* What services take of one GPU in mode shared: dict root, device. */}}
{{- define "ledge.deviceTakenMiB" -}}
{{- $taken := 0 -}}
{{- $device := toString .device -}}
{{- range include "ledge.services" .root | fromYaml -}}
{{-   if and .usesGpu (has $device (include "ledge.gpuDevices" (dict "service" .) | splitList ",")) -}}
{{-     $taken = add $taken (mul (int .gpu.memoryMiB) (int (include "ledge.mostReplicas" (dict "service" .)))) -}}
{{-   end -}}
{{- end -}}
{{ $taken }}
{{- end }}
