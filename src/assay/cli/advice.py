"""Logs the findings of `assay check` about a worker before the worker starts."""

from __future__ import annotations

from assay import events, log_lines
from assay.checking.functions import Functions
from assay.lua.host import Host
from assay.lua.services import Service
from assay.temporal.worker.worker import Worker


def warn_about(host: Host, service: Service) -> None:
    """Log a warning for each finding in the functions that a starting worker has registered.

    Never prevents the worker from starting: rules that read source text can be wrong.
    """
    if not isinstance(service, Worker):
        return
    try:
        findings = set(Functions(host).worker(service))
    except Exception:
        if host.verbose:
            raise
        return
    for finding in sorted(findings, key=lambda finding: (finding.file, finding.line, finding.message)):
        place = f"{finding.file}:{finding.line}: "
        text = f"{place}warning: {finding.message}"
        log_lines.notice(events.SCRIPT_FINDING, place + finding.message, text)
