{{/* A pod of `helm test` that makes one real call to a service: dict root, name, service. */}}
{{- define "ledge.testPod" -}}
{{- $root := .root -}}
{{- $pod := include "ledge.pod" (dict
      "root" $root
      "component" "test"
      "annotations" (dict "helm.sh/hook" "test" "helm.sh/hook-delete-policy" "before-hook-creation,hook-succeeded")
      "containers" (include "ledge.testContainer" . | trim)
      "volumes" (include "ledge.testVolumes" . | fromYamlArray)
      "tmpSize" "64Mi"
      "restartPolicy" "Never"
      "activeDeadlineSeconds" (int $root.Values.tests.timeoutSeconds)
    ) | fromYaml -}}
{{- $_ := set $pod.metadata "name" (printf "%s-test-%s" (include "ledge.fullname" $root) .name) -}}
{{- $_ := set $pod.metadata "namespace" $root.Release.Namespace -}}
{{ toYaml $pod }}
{{- end }}

{{- define "ledge.testContainer" -}}
{{- $root := .root -}}
{{- $values := $root.Values -}}
- name: test
  image: {{ include "ledge.image" (dict "root" $root "image" $values.cli.image "name" "cli") }}
  imagePullPolicy: {{ $values.image.pullPolicy }}
  command: [ledge, try, {{ .service.module }}]
  args: [--address, "{{ include "ledge.fullname" $root }}-{{ .name }}:{{ .service.port }}"]
  env:
    {{- include "ledge.commonEnvironment" . | nindent 4 }}
    {{- if $values.tls.enabled }}
    - name: LEDGE_TLS_CA_FILE
      value: /etc/ledge/tls/ca.crt
    - name: LEDGE_TLS_CERT_FILE
      value: /etc/ledge/tls/tls.crt
    - name: LEDGE_TLS_KEY_FILE
      value: /etc/ledge/tls/tls.key
    {{- end }}
    {{- with $values.auth.existingSecret }}
    - name: LEDGE_API_KEY
      valueFrom:
        secretKeyRef:
          name: {{ . }}
          key: peer
    {{- end }}
  resources:
    {{- toYaml $values.tests.resources | nindent 4 }}
  securityContext:
    {{- include "ledge.containerSecurity" . | nindent 4 }}
  volumeMounts:
    - name: tmp
      mountPath: /tmp
    {{- if $values.tls.enabled }}
    - name: tls
      mountPath: /etc/ledge/tls
      readOnly: true
    {{- end }}
{{- end }}

{{- define "ledge.testVolumes" -}}
{{- $volumes := list -}}
{{- if .root.Values.tls.enabled -}}
{{-   $volumes = append $volumes (dict "name" "tls" "secret" (dict "secretName" (include "ledge.tlsSecret" .) "defaultMode" 288)) -}}
{{- end -}}
{{ toYaml $volumes }}
{{- end }}
