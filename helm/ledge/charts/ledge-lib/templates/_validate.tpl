{{/* What a schema cannot say: how values go together. Tells all faults at once, each with what to do. */}}
{{- define "ledge.validate" -}}
{{- $services := include "ledge.services" . | fromYaml -}}
{{- $faults := list -}}
{{- if hasKey $services "Error" -}}
{{-   fail (printf "the services cannot be read: %s" (get $services "Error")) -}}
{{- end -}}
{{- range $name, $service := $services -}}
{{-   $found := include "ledge.validateService" (dict "root" $ "name" $name "service" $service) | fromYamlArray -}}
{{-   $faults = concat $faults $found -}}
{{- end -}}
{{- $faults = concat $faults (include "ledge.validateRelease" (dict "root" . "services" $services) | fromYamlArray) -}}
{{- $faults = concat $faults (include "ledge.validateScaler" (dict "root" . "services" $services) | fromYamlArray) -}}
{{- $faults = concat $faults (include "ledge.validateGpu" (dict "root" . "services" $services) | fromYamlArray) -}}
{{- if $faults -}}
{{-   fail (printf "\n\nledge cannot be installed with these values:\n  - %s\n" (join "\n  - " $faults)) -}}
{{- end -}}
{{- end }}

{{/* Faults of one service, as a YAML list: dict root, name, service. */}}
{{- define "ledge.validateService" -}}
{{- $name := .name -}}
{{- $service := .service -}}
{{- $values := .root.Values -}}
{{- $faults := list -}}
{{- if not $service.known -}}
{{-   $names := include "ledge.modules" .root | fromYaml | keys | sortAlpha | join ", " -}}
{{-   $faults = append $faults (printf "services.%s: there is no program %q; the programs are %s. For a service of another name say which it runs: services.%s.module" $name $service.module $names $name) -}}
{{- end -}}
{{- range $service.absentPeers -}}
{{-   $faults = append $faults (printf "services.%s calls %s, which is not enabled: enable services.%s, or write the call as \"%s?\" where %s does without" $name . . . $name) -}}
{{- end -}}
{{- range $service.peers -}}
{{-   if eq .service $name -}}
{{-     $faults = append $faults (printf "services.%s calls itself: take it out of services.%s.calls" $name $name) -}}
{{-   end -}}
{{- end -}}
{{- if lt (int $service.graceSeconds) (int $service.leastGraceSeconds) -}}
{{-   $faults = append $faults (printf "services.%s.terminationGracePeriodSeconds is %d, and a pod needs %d to end without failing a call: %d before it says that it leaves, %d in which it still takes calls, %d for those in flight, and 5. Raise it, or lower preStopSeconds, settleSeconds or drainSeconds" $name (int $service.graceSeconds) (int $service.leastGraceSeconds) (int $service.preStopSeconds) (int $service.settleSeconds) (int $service.drainSeconds)) -}}
{{- end -}}
{{- $replicas := int (include "ledge.mostReplicas" .) -}}
{{- if and $service.persistence.enabled (gt $replicas 1) -}}
{{-   $faults = append $faults (printf "services.%s keeps its data in a volume with one writer, so it cannot have %d pods: leave replicas at 1, or for retrieval set engine qdrant with LEDGE_QDRANT_URL and persistence.enabled false" $name $replicas) -}}
{{- end -}}
{{- if and $service.persistence.existingClaim $service.persistence.hostPath -}}
{{-   $faults = append $faults (printf "services.%s.persistence: existingClaim and hostPath exclude each other" $name) -}}
{{- end -}}
{{- if and $service.persistence.hostNode (not $service.persistence.hostPath) -}}
{{-   $faults = append $faults (printf "services.%s.persistence.hostNode says whose folder it is, and none is named: set hostPath, or schedule the pod by services.%s.scheduling" $name $name) -}}
{{- end -}}
{{- if ne $service.autoscaling.kind "none" -}}
{{-   $scaling := $service.autoscaling -}}
{{-   if gt (int $scaling.minReplicas) (int $scaling.maxReplicas) -}}
{{-     $faults = append $faults (printf "services.%s.autoscaling: minReplicas %d is more than maxReplicas %d" $name (int $scaling.minReplicas) (int $scaling.maxReplicas)) -}}
{{-   end -}}
{{-   if eq $scaling.kind "hpa" -}}
{{-     if lt (int $scaling.minReplicas) 1 -}}
{{-       $faults = append $faults (printf "services.%s.autoscaling: only keda scales to zero; set minReplicas to 1 or kind to keda" $name) -}}
{{-     end -}}
{{-     if not (dig "requests" "cpu" "" $service.resources) -}}
{{-       $faults = append $faults (printf "services.%s.autoscaling: hpa measures against what is requested; set services.%s.resources.requests.cpu" $name $name) -}}
{{-     end -}}
{{-   end -}}
{{- end -}}
{{- if and (not $service.exposed) (ne $service.service.type "ClusterIP") -}}
{{-   $faults = append $faults (printf "services.%s.service.type is %s, but nobody outside may call it: set services.%s.exposed, and mind that it then answers whoever reaches it" $name $service.service.type $name) -}}
{{- end -}}
{{- if and $service.service.nodePort (ne $service.service.type "NodePort") -}}
{{-   $faults = append $faults (printf "services.%s.service.nodePort is set, but its type is %s: set type to NodePort" $name $service.service.type) -}}
{{- end -}}
{{- $faults = concat $faults (include "ledge.validateEnvironment" . | fromYamlArray) -}}
{{ toYaml $faults }}
{{- end }}

{{/* Faults of the release, as a YAML list: dict root, services. */}}
{{- define "ledge.validateRelease" -}}
{{- $values := .root.Values -}}
{{- $faults := list -}}
{{- if not .services -}}
{{-   $faults = append $faults "no service is enabled: set services.<name>.enabled" -}}
{{- end -}}
{{- /* A chart around this one has keys of its own there; of those that look like ours none is passed over. */ -}}
{{- $alike := .root.Chart.IsRoot | ternary "(?i)^(image|pull|registr)" "(?i)^image[_-]?(r|pull[_-]?s)" -}}
{{- range $key, $value := $values.global -}}
{{-   if and (regexMatch $alike $key) (not (has $key (list "imageRegistry" "imagePullSecrets"))) -}}
{{-     $faults = append $faults (printf "global.%s is not read: it has imageRegistry and imagePullSecrets; names, tags and pullPolicy are under image" $key) -}}
{{-   end -}}
{{- end -}}
{{- if $values.tls.enabled -}}
{{-   if and (not $values.tls.existingSecret) (not $values.tls.issuer) -}}
{{-     $faults = append $faults "tls.enabled needs certificates: name a Secret in tls.existingSecret, or cert-manager's issuer in tls.issuer" -}}
{{-   end -}}
{{-   if and $values.tls.existingSecret $values.tls.issuer -}}
{{-     $faults = append $faults "tls.existingSecret and tls.issuer exclude each other: leave one empty" -}}
{{-   end -}}
{{- end -}}
{{- if and $values.models.persistence.existingClaim $values.models.persistence.hostPath -}}
{{-   $faults = append $faults "models.persistence: existingClaim and hostPath exclude each other" -}}
{{- end -}}
{{- if and $values.models.persistence.hostNode (not $values.models.persistence.hostPath) -}}
{{-   $faults = append $faults "models.persistence.hostNode says whose folder it is, and none is named: set hostPath" -}}
{{- end -}}
{{- if and $values.models.offline $values.models.pin -}}
{{-   $faults = append $faults "models.pin asks the hub, and models.offline forbids it: pin where there is a connection (`ledge models pin`), and bring pinned.yaml along" -}}
{{- end -}}
{{- if and $values.ingress.enabled (not (hasKey .services "gateway")) -}}
{{-   $faults = append $faults "ingress.enabled needs services.gateway" -}}
{{- end -}}
{{- if and $values.ingress.enabled $values.tls.enabled (not $values.ingress.annotations) (hasKey .services "gateway") -}}
{{-   if not .services.gateway.service.annotations -}}
{{-     $faults = append $faults "ingress.enabled with tls.enabled: the gateway speaks HTTPS, and controllers speak HTTP to it unless told otherwise. Tell yours by ingress.annotations (nginx.ingress.kubernetes.io/backend-protocol: HTTPS) or services.gateway.service.annotations (traefik.ingress.kubernetes.io/service.serversscheme: https)" -}}
{{-   end -}}
{{- end -}}
{{ toYaml $faults }}
{{- end }}

{{/* Faults of the GPUs' division, as a YAML list: dict root, services. */}}
{{- define "ledge.validateGpu" -}}
{{- $gpu := .root.Values.gpu -}}
{{- $root := .root -}}
{{- $faults := list -}}
{{- range $name, $service := .services -}}
{{-   $wants := int $service.gpu.memoryMiB -}}
{{-   $count := int $service.gpu.count -}}
{{-   $device := get $service.env "LEDGE_DEVICE" | default "" | toString -}}
{{-   if eq $gpu.mode "none" -}}
{{-     if gt $wants 0 -}}
{{-       $faults = append $faults (printf "services.%s.gpu.memoryMiB is %d, but gpu.mode is none: choose a mode, or set it to 0" $name $wants) -}}
{{-     else if hasPrefix "cuda" $device -}}
{{-       $faults = append $faults (printf "services.%s computes on %s, but gpu.mode is none: choose a mode, and say in services.%s.gpu.memoryMiB what it takes" $name $device $name) -}}
{{-     end -}}
{{-   else if gt $wants 0 -}}
{{-     $device := int (include "ledge.deviceMiB" (dict "root" $root "service" $service)) -}}
{{-     if gt $wants $device -}}
{{-       $faults = append $faults (printf "services.%s.gpu.memoryMiB is %d, but the device has %d MiB: give it less, or spread the model over more GPUs (gpu.count)" $name $wants $device) -}}
{{-     end -}}
{{-     if gt (int (add $service.gpu.device $count)) (int $gpu.count) -}}
{{-       $faults = append $faults (printf "services.%s.gpu.device is %d with %d GPUs from there on, but the node has %d (gpu.count)" $name (int $service.gpu.device) $count (int $gpu.count)) -}}
{{-     end -}}
{{-     if and (gt $count 1) (has $gpu.mode (list "timeSlicing" "mps" "mig")) -}}
{{-       $faults = append $faults (printf "services.%s.gpu.count is %d, but in mode %s two devices may be the same GPU: use mode shared, exclusive or dra" $name $count $gpu.mode) -}}
{{-     end -}}
{{-     if and (eq $gpu.mode "mig") (not $service.gpu.migProfile) -}}
{{-       $faults = append $faults (printf "services.%s.gpu.migProfile must name the instance, for example 1g.10gb" $name) -}}
{{-     end -}}
{{-     if and $gpu.loadingTurns.enabled (ne $service.image.variant "gpu") (not $service.image.repository) -}}
{{-       $faults = append $faults (printf "services.%s loads in turns (gpu.loadingTurns), and only images `-gpu` hold the client that takes them: set services.%s.image.variant to gpu, or name an image that holds it (image.repository)" $name $name) -}}
{{-     end -}}
{{-     $spread := get $service.env "LEDGE_TENSOR_PARALLEL" -}}
{{-     if and $spread (eq $service.engine "vllm") (ne (int $spread) $count) -}}
{{-       $faults = append $faults (printf "services.%s.env.LEDGE_TENSOR_PARALLEL is %v, but services.%s.gpu.count is %d: leave it out, for it follows that" $name $spread $name $count) -}}
{{-     end -}}
{{-     $share := get $service.env "LEDGE_GPU_MEMORY_SHARE" -}}
{{-     if $share -}}
{{-       $allowed := include "ledge.gpuShare" (dict "root" $root "service" $service) -}}
{{-       if gt (float64 $share) (float64 $allowed) -}}
{{-         $faults = append $faults (printf "services.%s.env.LEDGE_GPU_MEMORY_SHARE is %v, but its budget is %s of the GPU: leave it out, or raise services.%s.gpu.memoryMiB" $name $share $allowed $name) -}}
{{-       end -}}
{{-     end -}}
{{-   end -}}
{{- end -}}
{{- if and $gpu.loadingTurns.enabled (eq $gpu.mode "none") -}}
{{-   $faults = append $faults "gpu.loadingTurns is for services that share GPUs, and gpu.mode is none: say how they share them, or take it out" -}}
{{- end -}}
{{- if ne $gpu.mode "none" -}}
{{-   if lt (int $gpu.totalMemoryMiB) 1 -}}
{{-     $faults = append $faults "gpu.totalMemoryMiB must say what memory each GPU has, so that the services' sum can be checked (`nvidia-smi --query-gpu=memory.total --format=csv`)" -}}
{{-   else if eq $gpu.mode "exclusive" -}}
{{-     $taken := int (include "ledge.gpusTaken" $root) -}}
{{-     if gt $taken (int $gpu.count) -}}
{{-       $faults = append $faults (printf "the services ask for %d whole GPUs and there are %d: share them (gpu.mode), or run fewer on GPUs\n%s" $taken (int $gpu.count) (include "ledge.gpuLedger" $root)) -}}
{{-     end -}}
{{-   else -}}
{{-     $taken := int (include "ledge.gpuTakenMiB" $root) -}}
{{-     $all := mul (int $gpu.count) (int $gpu.totalMemoryMiB) -}}
{{-     if gt $taken (int $all) -}}
{{-       $faults = append $faults (printf "the GPUs' memory does not suffice, %d MiB are lacking: lower services.<name>.gpu.memoryMiB, take smaller models, or move a service to the CPU (memoryMiB 0)\n%s" (sub $taken $all) (include "ledge.gpuLedger" $root)) -}}
{{-     else if eq $gpu.mode "shared" -}}
{{-       range $device := until (int $gpu.count) -}}
{{-         $taken := int (include "ledge.deviceTakenMiB" (dict "root" $root "device" $device)) -}}
{{-         if gt $taken (int $gpu.totalMemoryMiB) -}}
{{-           $faults = append $faults (printf "GPU %d does not suffice: %d MiB are asked of its %d; move a service to another with services.<name>.gpu.device\n%s" $device $taken (int $gpu.totalMemoryMiB) (include "ledge.gpuLedger" $root)) -}}
{{-         end -}}
{{-       end -}}
{{-     end -}}
{{-   end -}}
{{- end -}}
{{ toYaml $faults }}
{{- end }}
