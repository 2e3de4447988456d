"""What a process reports about itself: log lines, metrics of scripts, OpenTelemetry spans.

`tracing.py`, `call_spans.py` and `workflow_spans.py` are the only files that import OpenTelemetry, when traces are on.
"""
