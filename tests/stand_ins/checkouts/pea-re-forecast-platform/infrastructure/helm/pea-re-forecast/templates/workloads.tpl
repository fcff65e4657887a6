{{- /* One release has both parts under their own names, or one part as a colour, under the name of the release. */ -}}
{{- range $part := list "backend" "frontend" }}
{{- $given := index $.Values $part }}
{{- if $given.enabled }}
{{- $name := ternary $.Release.Name $part (hasPrefix (printf "%s-" $part) $.Release.Name) }}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ $name }}
  labels:
    app: {{ $part }}
    app.kubernetes.io/instance: {{ $.Release.Name }}
spec:
  replicas: {{ $given.replicaCount }}
  selector:
    matchLabels:
      app: {{ $part }}
      app.kubernetes.io/instance: {{ $.Release.Name }}
  template:
    metadata:
      labels:
        app: {{ $part }}
        app.kubernetes.io/instance: {{ $.Release.Name }}
    spec:
      terminationGracePeriodSeconds: 30
      containers:
        - name: {{ $part }}
          image: {{ printf "%s:%s" $given.image.repository (toString $given.image.tag) }}
          imagePullPolicy: Never
          env:
            - name: APP_CONFIG
              value: /srv/systems/pea.yml
            - name: APP_PART
              value: {{ $part }}
            {{- range $key, $value := $given.env }}
            - name: {{ $key }}
              value: {{ $value | quote }}
            {{- end }}
          envFrom:
            - configMapRef: {name: faults, optional: true}
            - secretRef: {name: timescaledb-credentials, optional: true}
          ports:
            - name: http
              containerPort: {{ $given.port }}
          readinessProbe:
            httpGet: {path: {{ $given.health }}, port: http}
            periodSeconds: 1
            timeoutSeconds: 5
          resources: {{ toJson $given.resources }}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ $name }}
  labels:
    app: {{ $part }}
    app.kubernetes.io/instance: {{ $.Release.Name }}
spec:
  selector:
    app: {{ $part }}
    app.kubernetes.io/instance: {{ $.Release.Name }}
  ports:
    - name: http
      port: {{ $given.port }}
      targetPort: http
{{- end }}
{{- end }}
