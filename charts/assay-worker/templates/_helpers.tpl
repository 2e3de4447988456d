{{- define "assay-worker.name" -}}
{{- .Release.Name -}}
{{- end -}}

{{- define "assay-worker.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "assay-worker.labels" -}}
{{ include "assay-worker.selector" . }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "assay-worker.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (ternary (include "assay-worker.name" .) "default" .Values.serviceAccount.create) -}}
{{- end -}}

{{- define "assay-worker.image" -}}
{{- with .Values.image -}}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{ end -}}
{{- end -}}
{{- end -}}

{{- define "assay-worker.scripts" -}}
{{- if and .Values.scripts .Values.existingScripts }}{{ fail "scripts and existingScripts cannot be combined" }}{{ end -}}
{{- if and .Values.scripts (not (hasKey .Values.scripts .Values.script)) -}}
{{- fail (printf "scripts does not contain '%s' (the value of script)" .Values.script) -}}
{{- end -}}
{{- if .Values.scripts }}{{ include "assay-worker.name" . }}-scripts{{ else }}{{ .Values.existingScripts }}{{ end -}}
{{- end -}}

{{/* The name of the container's port with the metrics, which may be that of the health checks. */}}
{{- define "assay-worker.metricsPort" -}}
{{- ternary "health" "metrics" (eq (int .Values.metrics.port) (int .Values.health.port)) -}}
{{- end -}}

{{/* toJson keeps large numbers: Helm would print 1234567 as 1.234567e+06. */}}
{{- define "assay-worker.text" -}}
{{- if kindIs "string" . }}{{ . }}{{ else }}{{ toJson . }}{{ end -}}
{{- end -}}
