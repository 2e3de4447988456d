"""Observability: log lines, metrics, OpenTelemetry traces, and the HTTP server for health and metrics.

`runtime.py` sets up the SDK's native runtime, which emits Core's logs and metrics. `tracing.py`, `headers.py`,
`call_spans.py` and `workflow_spans.py` are the only files that import OpenTelemetry, and only if tracing is on.
"""
