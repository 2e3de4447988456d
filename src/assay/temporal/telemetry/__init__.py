"""What a process reports about itself: log lines, metrics, OpenTelemetry spans, its health over HTTP.

`runtime.py` is the SDK's native runtime, which logs and measures. `tracing.py`, `call_spans.py` and `workflow_spans.py`
are the only files that import OpenTelemetry, when traces are on.
"""
