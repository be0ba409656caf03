{{/*
The gateway as KEDA's scaler, for services with autoscaling.kind keda and no triggers of their own. It sees its own calls
alone: so it has one pod, and no other door may lead to a service that it wakes.
*/}}

{{/* Names of the services that the gateway wakes, as a YAML list: dict services. */}}
{{- define "ledge.wokenServices" -}}
{{- $names := list -}}
{{- range $name, $service := .services -}}
{{-   if and (eq $service.autoscaling.kind "keda") (not $service.autoscaling.triggers) }}{{ $names = append $names $name }}{{ end -}}
{{- end -}}
{{ toYaml $names }}
{{- end }}

{{/* "yes" where calls of one service lead to another, or they are the same: dict services, from, to, hops. */}}
{{- define "ledge.leadsTo" -}}
{{- $here := . -}}
{{- $found := eq .from .to -}}
{{- if and (not $found) (gt (int .hops) 0) -}}
{{-   range (get .services .from).peers -}}
{{-     if include "ledge.leadsTo" (dict "services" $here.services "from" .service "to" $here.to "hops" (sub $here.hops 1)) }}{{ $found = true }}{{ end -}}
{{-   end -}}
{{- end -}}
{{- if $found }}yes{{ end -}}
{{- end }}

{{/* Roles of a door's peers whose calls lead to a service, as a YAML list: dict services, door, to. */}}
{{- define "ledge.callersOf" -}}
{{- $here := . -}}
{{- $roles := list -}}
{{- if hasKey .services .door -}}
{{-   range (get .services .door).peers -}}
{{-     if include "ledge.leadsTo" (dict "services" $here.services "from" .service "to" $here.to "hops" 4) }}{{ $roles = append $roles .role }}{{ end -}}
{{-   end -}}
{{- end -}}
{{ toYaml $roles }}
{{- end }}

{{/* Faults of this, as a YAML list: dict root, services. */}}
{{- define "ledge.validateScaler" -}}
{{- $services := .services -}}
{{- $faults := list -}}
{{- range $name := include "ledge.wokenServices" . | fromYamlArray -}}
{{-   if not (include "ledge.callersOf" (dict "services" $services "door" "gateway" "to" $name) | fromYamlArray) -}}
{{-     $faults = append $faults (printf "services.%s.autoscaling: keda without triggers is woken by the gateway, whose calls do not lead to it: give it triggers" $name) -}}
{{-   end -}}
{{-   range $door := list "riva" "wyoming" -}}
{{-     if include "ledge.callersOf" (dict "services" $services "door" $door "to" $name) | fromYamlArray -}}
{{-       $faults = append $faults (printf "services.%s.autoscaling: %s leads to it as well, whose calls the gateway does not see: give it triggers, or leave out services.%s" $name $door $door) -}}
{{-     end -}}
{{-   end -}}
{{- end -}}
{{- if and (include "ledge.wokenServices" . | fromYamlArray) (hasKey $services "gateway") -}}
{{-   if gt (int (include "ledge.mostReplicas" (dict "service" $services.gateway))) 1 -}}
{{-     $faults = append $faults "services.gateway has more than one pod, each of which sees its own calls alone: give the services that sleep triggers, or leave the gateway at one" -}}
{{-   end -}}
{{- end -}}
{{ toYaml $faults }}
{{- end }}
