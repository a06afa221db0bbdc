{{- define "outgate.fullname" -}}
{{- if contains "outgate" .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-outgate" (.Release.Name | trunc 42 | trimSuffix "-") }}{{ end }}
{{- end }}

{{- define "outgate.selectorLabels" -}}
app.kubernetes.io/name: outgate
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "outgate.labels" -}}
{{ include "outgate.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "outgate.serviceAccountName" -}}
{{ default (include "outgate.fullname" .) .Values.serviceAccount.name }}
{{- end }}

{{- define "outgate.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end }}

{{- define "outgate.secretName" -}}
{{ required "existingSecret: name a Secret with the keys redis_url and http_token" .Values.existingSecret }}
{{- end }}

{{- define "outgate.scaled" -}}
{{- if and .Values.autoscaling.keda.enabled .Values.autoscaling.hpa.enabled -}}
{{- fail "autoscaling: KEDA makes its own HPA; enable keda or hpa, not both" -}}
{{- end -}}
{{- if or .Values.autoscaling.keda.enabled .Values.autoscaling.hpa.enabled -}}
{{- if gt (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas) -}}
{{- fail (printf "autoscaling: minReplicas is above maxReplicas: got %d and %d" (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas)) -}}
{{- end -}}
yes
{{- end -}}
{{- end }}

{{- /* If a worker is killed before it has finished, its attempts are ambiguous. */ -}}
{{- define "outgate.gracePeriod" -}}
{{- $timeout := dig "worker" "shutdown_timeout" "30s" (.Values.config | default dict) | toString -}}
{{- if not .Values.existingConfigMap -}}
{{- $form := "^(?:([0-9]+)h)?(?:([0-9]+)m)?(?:([0-9]+)s)?$" -}}
{{- if not (regexMatch $form $timeout) -}}
{{- fail "config.worker.shutdown_timeout: want whole hours, minutes and seconds, for example 1m30s" -}}
{{- end -}}
{{- $hours := regexReplaceAll $form $timeout "${1}" | int -}}
{{- $minutes := regexReplaceAll $form $timeout "${2}" | int -}}
{{- $least := add (mul 3600 $hours) (mul 60 $minutes) (regexReplaceAll $form $timeout "${3}" | int) 10 -}}
{{- if lt (int .Values.terminationGracePeriodSeconds) (int $least) -}}
{{- fail (printf "terminationGracePeriodSeconds: want at least %d, ten above worker.shutdown_timeout; got %d" $least (int .Values.terminationGracePeriodSeconds)) -}}
{{- end -}}
{{- end -}}
{{ int .Values.terminationGracePeriodSeconds }}
{{- end }}

{{- define "outgate.scaleBehavior" -}}
scaleUp:
  stabilizationWindowSeconds: 0
  policies:
    - {type: Percent, value: 100, periodSeconds: 15}
    - {type: Pods, value: 4, periodSeconds: 15}
scaleDown:
  stabilizationWindowSeconds: {{ .Values.autoscaling.scaleDownSeconds }}
  policies:
    - {type: Pods, value: 1, periodSeconds: 60}
{{- end }}
