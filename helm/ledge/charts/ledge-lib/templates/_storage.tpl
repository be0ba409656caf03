{{/*
A claim, and where a folder of the node is named its volume: dict root, name, component, storage (storageClass, size,
accessMode, hostPath, hostNode). Both outlive the release; the next release of the same name takes them over.
*/}}
{{- define "ledge.claim" -}}
{{- $labels := include "ledge.labels" (dict "root" .root "component" .component) -}}
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- $labels | nindent 4 }}
  annotations:
    helm.sh/resource-policy: keep
spec:
  accessModes: [{{ .storage.accessMode | default "ReadWriteOnce" }}]
  {{- if .storage.hostPath }}
  storageClassName: ""
  volumeName: {{ .root.Release.Namespace }}-{{ .name }}
  {{- else if .storage.storageClass }}
  storageClassName: {{ .storage.storageClass }}
  {{- end }}
  resources:
    requests:
      storage: {{ .storage.size }}
{{- if .storage.hostPath }}
---
apiVersion: v1
kind: PersistentVolume
metadata:
  name: {{ .root.Release.Namespace }}-{{ .name }}
  labels:
    {{- $labels | nindent 4 }}
  annotations:
    helm.sh/resource-policy: keep
spec:
  accessModes: [{{ .storage.accessMode | default "ReadWriteOnce" }}]
  capacity:
    storage: {{ .storage.size }}
  storageClassName: ""
  persistentVolumeReclaimPolicy: Retain
  claimRef:
    namespace: {{ .root.Release.Namespace }}
    name: {{ .name }}
  hostPath:
    path: {{ .storage.hostPath }}
    type: Directory
  {{- with .storage.hostNode }}
  nodeAffinity:
    required:
      nodeSelectorTerms:
        - matchExpressions:
            - key: kubernetes.io/hostname
              operator: In
              values: [{{ . | quote }}]
  {{- end }}
{{- end }}
{{- end }}
